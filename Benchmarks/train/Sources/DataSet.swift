// SPDX-License-Identifier: Apache-2.0

import Foundation
import Runtime

/// Images and labels of a safetensors file, whole in memory.
struct DataSet {
  static let imageBytes = 28 * 28

  let count: Int
  private let images: [UInt8]
  private let labels: [Int32]

  init(_ split: String, of path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let file = try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
    guard let images = file["\(split)/images"], let labels = file["\(split)/labels"] else {
      throw RuntimeError(.notFound, "no \(split)/images and \(split)/labels in \(path)")
    }
    self.images = Array(bytes[images.range])
    self.labels = bytes[labels.range].map { Int32($0) }
    count = self.labels.count
  }

  func label(_ sample: Int) -> Int { Int(labels[sample]) }

  /// Copies samples one after the other.
  func gather(_ samples: ArraySlice<Int>, _ batch: Batch) {
    images.withUnsafeBytes { all in
      for (row, sample) in samples.enumerated() {
        let source = all[sample * Self.imageBytes..<(sample + 1) * Self.imageBytes]
        let target = row * Self.imageBytes..<(row + 1) * Self.imageBytes
        UnsafeMutableRawBufferPointer(rebasing: batch.images[target])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source))
        batch.labels[row] = labels[sample]
      }
    }
  }
}

/// Memory for the samples of one step.
final class Batch {
  let images: UnsafeMutableRawBufferPointer
  let labels: UnsafeMutableBufferPointer<Int32>

  init(capacity: Int) {
    images = .allocate(byteCount: capacity * DataSet.imageBytes, alignment: 64)
    labels = .allocate(capacity: capacity)
  }

  deinit {
    images.deallocate()
    labels.deallocate()
  }

  /// What a step takes for the first `count` samples.
  func inputs(_ count: Int) -> [UnsafeRawBufferPointer] {
    [
      UnsafeRawBufferPointer(rebasing: images[..<(count * DataSet.imageBytes)]),
      UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: labels[..<count])),
    ]
  }
}
