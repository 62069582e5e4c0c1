// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import Runtime

/// Replays a recorded request on a model and holds its answer against the recorded one.
enum GoldenCheck {
  /// Checks one case.
  ///
  /// - Parameter name: what the case is called in messages.
  /// - Throws: `.failedPrecondition` that names the first difference; `.invalidArgument` for a case
  ///   that is none for this model.
  static func check(
    _ golden: Massif_V1_GoldenCase, on model: PluginModel, name: String
  ) throws(PluginError) {
    let execution = model.makeExecution()
    var owners: [Artifact] = []
    for (index, input) in model.inputs.enumerated() {
      guard let given = golden.inputs.first(where: { $0.name == input.name }) else {
        throw PluginError(field: name, "expected the input \(input.name)")
      }
      let bytes = Artifact(name: input.name, copying: given.contents)
      owners.append(bytes)
      let shape = given.shape.map { Int(clamping: $0) }
      guard let datatype = DataType(rawValue: given.datatype) else {
        throw PluginError(field: name, "\(given.name): expected a data type")
      }
      if index == 0, model.maxBatchSize > 0 { execution.batchSize = shape.first ?? 0 }
      execution.setInput(
        index, datatype: datatype, shape: shape, bytes: bytes.bytes, owner: bytes.owner)
    }
    try withExtendedLifetime(owners) { () throws(PluginError) in
      try model.execute(execution)
      for expected in golden.outputs {
        guard let index = model.outputs.firstIndex(where: { $0.name == expected.name }) else {
          throw PluginError(field: name, "the model has no output \(expected.name)")
        }
        try compare(
          execution.output(index), with: expected, tolerance: golden.tolerance, name: name)
      }
    }
  }

  private static func compare(
    _ output: PluginOutput, with expected: Massif_V1_GoldenTensor, tolerance: Double, name: String
  ) throws(PluginError) {
    guard output.datatype.rawValue == expected.datatype,
      output.extents.elementsEqual(expected.shape), output.bytes.count == expected.contents.count
    else {
      throw difference(
        name, expected.name,
        "expected \(expected.datatype) \(expected.shape), came"
          + " \(output.datatype.rawValue) \(output.shape)")
    }
    if output.bytes.elementsEqual(expected.contents) { return }
    switch output.datatype {
    case .fp32 where tolerance > 0:
      try compare(output, expected, Float.self, tolerance, name)
    case .fp64 where tolerance > 0:
      try compare(output, expected, Double.self, tolerance, name)
    default:
      let byte = zip(output.bytes, expected.contents).enumerated().first { $1.0 != $1.1 }?.offset
      throw difference(name, expected.name, "the first byte that differs is \(byte ?? 0)")
    }
  }

  private static func compare<Element: BinaryFloatingPoint & BitwiseCopyable>(
    _ output: PluginOutput, _ expected: Massif_V1_GoldenTensor, _ type: Element.Type,
    _ tolerance: Double, _ name: String
  ) throws(PluginError) {
    let size = MemoryLayout<Element>.size
    let wanted = Array(expected.contents)
    let values = wanted.withUnsafeBytes { wanted in
      stride(from: 0, to: output.bytes.count, by: size).map {
        (
          Double(output.bytes.loadUnaligned(fromByteOffset: $0, as: type)),
          Double(wanted.loadUnaligned(fromByteOffset: $0, as: type))
        )
      }
    }
    for (index, (came, wanted)) in values.enumerated() {
      // Not-a-number is within no tolerance, infinity within that of itself.
      guard came == wanted || abs(came - wanted) <= tolerance * (1 + abs(wanted)) else {
        throw difference(name, expected.name, "element \(index): expected \(wanted), came \(came)")
      }
    }
  }

  private static func difference(_ name: String, _ output: String, _ what: String) -> PluginError {
    PluginError(.failedPrecondition, "\(name): output \(output) is not as recorded: \(what)")
  }
}
