// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime
import Testing

@testable import ModelPlugins

/// Every operation that plugins may ask for by name.
struct ComputeOperationsTests {
  /// Shapes of inputs and parameters, numbers and the text "same" by name, and what comes of it.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    var inputs: [[Int]] = []
    var parameters: [[Int]] = []
    var numbers: [String: Double] = [:]
    let result: [Int]
    var datatypes: [DataType] = []
    var testDescription: String { name }
  }

  private static let image = [6, 6, 2]

  static let cases: [Case] =
    [
      Case(name: "dense", inputs: [[4]], parameters: [[4, 3], [3]], result: [3]),
      Case(
        name: "conv2d", inputs: [image], parameters: [[3, 3, 2, 5]], numbers: ["stride": 2],
        result: [2, 2, 5]),
      Case(name: "conv1d", inputs: [[7, 2]], parameters: [[1, 3, 2, 4], [4]], result: [5, 4]),
      Case(name: "max_pool2d", inputs: [image], numbers: ["size": 2], result: [3, 3, 2]),
      Case(name: "average_pool2d", inputs: [image], numbers: ["size": 3], result: [2, 2, 2]),
      Case(name: "global_average_pool", inputs: [image], result: [2]),
      Case(
        name: "embedding", inputs: [[5]], parameters: [[9, 3]], result: [5, 3],
        datatypes: [.int32]),
      Case(name: "dropout", inputs: [[4]], numbers: ["rate": 0.5], result: [4]),
      Case(name: "convert", inputs: [[4]], numbers: ["scale": 2, "offset": 1], result: [4]),
      Case(name: "add", inputs: [[4], [4]], result: [4]),
      Case(
        name: "batch_norm", inputs: [image], parameters: [[2], [2], [2], [2]],
        numbers: ["epsilon": 1e-3], result: image),
      Case(name: "layer_norm", inputs: [image], parameters: [[2], [2]], result: image),
      Case(name: "rms_norm", inputs: [image], parameters: [[2]], result: image),
      Case(name: "softmax", inputs: [[4]], result: [4]),
      Case(name: "log_softmax", inputs: [[4]], result: [4]),
      Case(name: "flatten", inputs: [image], result: [72]),
      Case(
        name: "reshape", inputs: [image], numbers: ["rank": 2, "extent0": 9, "extent1": 8],
        result: [9, 8]),
      Case(
        name: "slice", inputs: [image], numbers: ["axis": 1, "start": 1, "end": 4],
        result: [6, 3, 2]),
      Case(
        name: "concatenate", inputs: [image, image, image], numbers: ["axis": -1],
        result: [6, 6, 6]),
      Case(
        name: "lstm", inputs: [[5, 3]], parameters: [[3, 16], [4, 16], [16]],
        numbers: ["reversed": 1], result: [4]),
      Case(
        name: "gru", inputs: [[5, 3]], parameters: [[3, 12], [4, 12], [12], [12]],
        numbers: ["return_sequences": 1], result: [5, 4]),
      Case(name: "rnn", inputs: [[5, 3]], parameters: [[3, 4], [4, 4], [4]], result: [4]),
      Case(
        name: "cross_entropy", inputs: [[4], []], numbers: ["label_smoothing": 0.1], result: [],
        datatypes: [.fp32, .int32]),
      Case(name: "huber", inputs: [[4], [4]], numbers: ["delta": 2], result: []),
      Case(
        name: "binary_cross_entropy", inputs: [[4], [4]], numbers: ["positive_weight": 2],
        result: []),
    ]
    + ["mean_squared_error", "mean_absolute_error", "hinge", "kullback_leibler"].map {
      Case(name: $0, inputs: [[4], [4]], result: [])
    } + Activation.allCases.map { Case(name: $0.rawValue, inputs: [[4]], result: [4]) }

  private func build(_ variant: Case, leavingOut: Int = 0) throws -> (ComputeGraph, msf_value) {
    let graph = ComputeGraph()
    var operands: [msf_value] = []
    for (index, shape) in variant.inputs.enumerated() {
      let type = index < variant.datatypes.count ? variant.datatypes[index] : .fp32
      operands.append(try graph.input("x\(index)", type, shape))
    }
    for (index, shape) in variant.parameters.enumerated() {
      var none = try Attributes(nil, 0, of: "zeros")
      operands.append(try graph.parameter("p\(index)", shape, "zeros", &none))
    }
    operands.removeLast(leavingOut)
    return try withAttributes(variant.numbers) { pointer, count in
      var attributes = try Attributes(pointer, count, of: variant.name)
      let result = try operands.withUnsafeBufferPointer {
        try graph.operation(variant.name, $0, &attributes)
      }
      return (graph, result)
    }
  }

  private func withAttributes<R>(
    _ numbers: [String: Double],
    _ body: (UnsafePointer<msf_attribute>?, UInt32) throws -> R
  ) throws -> R {
    let names = numbers.keys.sorted()
    func add(_ index: Int, _ attributes: [msf_attribute]) throws -> R {
      guard index < names.count else {
        return try attributes.withUnsafeBufferPointer { try body($0.baseAddress, UInt32($0.count)) }
      }
      return try Array(names[index].utf8CString).withUnsafeBufferPointer { bytes in
        var attribute = msf_attribute()
        attribute.name = msf_string(data: bytes.baseAddress, size: bytes.count - 1)
        attribute.number = numbers[names[index]] ?? 0
        return try add(index + 1, attributes + [attribute])
      }
    }
    return try add(0, [])
  }

  @Test(arguments: cases)
  func isKnownByItsName(variant: Case) throws {
    let (graph, result) = try build(variant)
    let type = graph.graph.type(of: try graph.value(result, "result"))
    #expect(type.shape.dimensions == variant.result)
    if variant.name != "concatenate" {
      let error = failure { _ = try build(variant, leavingOut: variant.name == "conv1d" ? 2 : 1) }
      // A bias may be left out.
      #expect(error != nil || variant.name == "dense")
    }
    var odd = variant
    odd.numbers["nonsense"] = 1
    #expect(failure { _ = try build(odd) }?.violations.first?.field == "\(variant.name).nonsense")
  }

  @Test func everyOperationIsTried() {
    #expect(Set(Self.cases.map(\.name)) == Set(ComputeOperations.table.keys))
  }
}
