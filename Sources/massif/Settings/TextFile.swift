// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Small files that a person wrote.
enum TextFile {
  /// Reads a UTF-8 file of at most `maxByteCount` bytes.
  static func read(_ path: String, maxByteCount: Int) throws(CommandError) -> String {
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }
      data = try handle.read(upToCount: maxByteCount + 1) ?? Data()
    } catch {
      throw CommandError(
        "\(path) cannot be read", hint: "does the file exist, and may you read it?")
    }
    guard data.count <= maxByteCount else {
      throw CommandError(path, expected: "at most \(maxByteCount) bytes", came: "more")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw CommandError(path, expected: "UTF-8 text", came: "other bytes")
    }
    return text
  }
}
