// SPDX-License-Identifier: Apache-2.0

import Foundation
import Runtime

/// Values that `scripts/make-goldens` wrote with another framework.
struct Golden {
  let file: SafetensorsFile
  private let bytes: [UInt8]

  init(_ name: String) throws {
    bytes = try Self.bytes(name)
    file = try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return [UInt8](try Data(contentsOf: tests.appending(path: "Golden/\(name).safetensors")))
  }

  func shape(_ name: String) throws -> Shape { try entry(name).shape }

  func floats(_ name: String) throws -> [Float] { try elements(name) }

  func integers(_ name: String) throws -> [Int32] { try elements(name) }

  func has(_ name: String) -> Bool { file[name] != nil }

  private func elements<T: BitwiseCopyable>(_ name: String) throws -> [T] {
    let range = try entry(name).range
    let size = MemoryLayout<T>.size
    return bytes.withUnsafeBytes { raw in
      stride(from: range.lowerBound, to: range.upperBound, by: size).map {
        raw.loadUnaligned(fromByteOffset: $0, as: T.self)
      }
    }
  }

  private func entry(_ name: String) throws -> SafetensorsEntry {
    guard let entry = file[name] else { throw RuntimeError(.notFound, "no golden", field: name) }
    return entry
  }
}

/// The largest difference, relative to the size of what is expected, or 1 where that is smaller.
func deviation(_ values: [Float], from expected: [Float]) -> Float {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1) / max(1, abs(pair.1))
    return difference.isNaN ? .infinity : max(worst, difference)
  }
}
