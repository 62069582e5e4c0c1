// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// A directory of its own for a test, removed with everything in it when the object goes.
public final class TemporaryDirectory: Sendable {
  /// The absolute path, without a slash at the end.
  public let path: String

  /// Makes the directory, readable by its owner only.
  public init() throws {
    let template = FileManager.default.temporaryDirectory.path + "/massif-test-XXXXXX"
    var bytes = Array(template.utf8CString)
    guard mkdtemp(&bytes) != nil else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
    path = String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in the directory; makes nothing.
  public func file(_ name: String) -> String { "\(path)/\(name)" }
}
