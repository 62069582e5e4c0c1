// SPDX-License-Identifier: Apache-2.0
import Runtime

@testable import massif

extension ImportedTensor {
  /// Images of bytes.
  static func bytes(_ shape: [Int], _ bytes: [UInt8]) -> ImportedTensor {
    ImportedTensor(name: "images", datatype: .uint8, shape: shape, bytes: bytes)
  }

  /// Images of numbers.
  static func numbers(_ shape: [Int], _ values: [Float]) -> ImportedTensor {
    ImportedTensor(
      name: "images", datatype: .fp32, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }
}
