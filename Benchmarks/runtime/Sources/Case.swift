// SPDX-License-Identifier: Apache-2.0

import Foundation
import Runtime

/// A kind of work that can be measured; one file each.
protocol Case {
  /// The work, once.
  func run() throws

  /// What the last run computed, FP32, in the order that the driver's peers give it.
  func results() throws -> [UnsafeRawBufferPointer]
}

/// Makes a case of the name that the driver calls it.
///
/// - Throws: `.notFound` for a name that is none of these.
func makeCase(_ name: String, _ setting: Setting) throws -> any Case {
  switch name {
  case "convolution": try ConvolutionCase(setting)
  case "convolution_gradient": try ConvolutionGradientCase(setting)
  case "dense": try DenseCase(setting)
  case "elementwise": try ElementwiseCase(setting)
  case "lstm": try LSTMCase(setting)
  case "mlp": try MLPCase(setting)
  case "resnet18": try ResNetCase(setting)
  case "narrow_accuracy": try NarrowAccuracyCase(setting)
  case "narrow_matmul": try NarrowMatmulCase(setting)
  case "sgemm": try SgemmCase(setting)
  default: throw RuntimeError(.notFound, "no such case", field: name)
  }
}

/// What the driver asked for: numbers by name, tensors in a file, so many threads.
struct Setting {
  let workers: WorkerPool
  let instructionSet: InstructionSet
  private let parameters: [String: String]
  private let bytes: [UInt8]
  private let file: SafetensorsFile

  init(threads: Int, tensors: String, parameters: ArraySlice<String>) throws {
    workers = try WorkerPool(threadCount: threads)
    instructionSet = try InstructionSet.preferred()
    var values: [String: String] = [:]
    for parameter in parameters {
      let parts = parameter.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
    self.parameters = values
    bytes = [UInt8](try Data(contentsOf: URL(filePath: tensors)))
    file = try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
  }

  func text(_ name: String) throws -> String {
    guard let value = parameters[name] else {
      throw RuntimeError(.notFound, "no parameter of this name", field: name)
    }
    return value
  }

  func number(_ name: String) throws -> Int {
    guard let value = Int(try text(name)) else {
      throw RuntimeError(.invalidArgument, "expected an integer", field: name)
    }
    return value
  }

  /// A copy of a tensor, aligned.
  func tensor(_ name: String) throws -> UnsafeMutableRawBufferPointer {
    guard let entry = file[name] else {
      throw RuntimeError(.notFound, "no tensor of this name", field: name)
    }
    let copy = memory(byteCount: entry.range.count)
    bytes.withUnsafeBytes {
      copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[entry.range]))
    }
    return copy
  }

  func load(_ values: Parameters) throws {
    try bytes.withUnsafeBytes { try values.load(file, $0) }
  }
}
