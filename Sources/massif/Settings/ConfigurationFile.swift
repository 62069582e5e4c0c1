// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Yams

/// The settings that a massif.yaml gives, by their paths.
struct ConfigurationFile: Sendable {
  /// The path that messages name.
  let path: String
  private(set) var values: [String: String] = [:]

  static let defaultPath = "massif.yaml"
  /// A configuration is written by hand; what is larger is another file.
  static let maxByteCount = 1 << 20

  /// Reads a text, and refuses keys that are no setting.
  init(text: String, path: String, known: [Setting]) throws(CommandError) {
    self.path = path
    let node: Node?
    do {
      node = try Yams.compose(yaml: text)
    } catch {
      throw CommandError("\(path) is not YAML: \(error)")
    }
    guard let node, node.isNull == false else { return }
    guard let mapping = node.mapping else {
      throw CommandError(path, expected: "a mapping of settings", came: "something else")
    }
    try read(mapping, prefix: "", known: Set(known.map(\.key)))
  }

  /// Reads the file at `path`; nil where there is none.
  static func read(path: String, known: [Setting]) throws(CommandError) -> ConfigurationFile? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let text = try TextFile.read(path, maxByteCount: maxByteCount)
    return try ConfigurationFile(text: text, path: path, known: known)
  }

  private mutating func read(
    _ mapping: Node.Mapping, prefix: String, known: Set<String>
  ) throws(CommandError) {
    for (keyNode, value) in mapping {
      guard let name = keyNode.scalar?.string else {
        throw CommandError(path, field: prefix, expected: "names as keys")
      }
      let key = prefix.isEmpty ? name : "\(prefix).\(name)"
      if known.contains(key) {
        values[key] = try text(of: value, key)
      } else if let inner = value.mapping, known.contains(where: { $0.hasPrefix(key + ".") }) {
        try read(inner, prefix: key, known: known)
      } else {
        let line = keyNode.mark.map { "line \($0.line), " } ?? ""
        throw CommandError(
          path, field: "\(line)\(key)", expected: "a setting that exists",
          hint: "known: \(known.sorted().joined(separator: ", "))")
      }
    }
  }

  /// A scalar, or a list of scalars with commas between.
  private func text(of node: Node, _ key: String) throws(CommandError) -> String {
    if let scalar = node.scalar { return scalar.string }
    if let sequence = node.sequence {
      let parts = sequence.compactMap(\.scalar?.string)
      if parts.count == sequence.count { return parts.joined(separator: ",") }
    }
    throw CommandError(path, field: key, expected: "a value or a list of values", came: "a mapping")
  }
}

extension Node {
  var isNull: Bool {
    scalar.map { tag.rawValue == Tag.Name.null.rawValue || $0.string.isEmpty } ?? false
  }
}
