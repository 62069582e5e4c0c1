// SPDX-License-Identifier: Apache-2.0

/// Passes artifacts on to the host's writer, and remembers the first error that it threw.
///
/// Used on the thread of one checkpoint or export.
final class ArtifactSink {
  private(set) var failure: PluginError?
  private let write: ArtifactWriter

  init(_ write: @escaping ArtifactWriter) {
    self.write = write
  }

  /// Appends to the artifact `name`.
  func append(_ bytes: UnsafeRawBufferPointer, to name: String) throws(PluginError) {
    if let failure { throw failure }
    guard PluginName.isValid(name) else {
      throw fail(
        PluginError(
          .internal,
          "expected an artifact's name of letters, digits, '.', '_' and '-', came \"\(name)\""))
    }
    do {
      try write(name, bytes)
    } catch let error as PluginError {
      throw fail(error)
    } catch {
      throw fail(PluginError(.internal, "artifact \(name) could not be written: \(error)"))
    }
  }

  private func fail(_ error: PluginError) -> PluginError {
    failure = error
    return error
  }
}

/// The grammar that plugins' and artifacts' names share with every other name.
enum PluginName {
  /// Whether `name` matches `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
  static func isValid(_ name: String) -> Bool {
    let bytes = name.utf8
    guard let first = bytes.first, bytes.count <= 128, isAlphanumeric(first) else { return false }
    return bytes.allSatisfy {
      isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
        || $0 == UInt8(ascii: "-")
    }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}
