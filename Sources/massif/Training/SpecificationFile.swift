// SPDX-License-Identifier: Apache-2.0
internal import MassifAPI
internal import Yams

/// Reads a training specification in YAML or in JSON, which is YAML: model, dataset, plugin,
/// configuration, seed, threads; or model, dataset and continue_version, for a version that learns on.
///
/// The configuration is the plugin's business: it is sent as it stands, and the server checks it
/// field by field.
enum SpecificationFile {
  static let maxByteCount = 4 << 20
  /// A few kilobytes of YAML aliases can stand for more nodes than memory holds.
  static let maxNodes = 200_000
  static let maxDepth = 64
  private static let keys = [
    "model", "dataset", "plugin", "configuration", "seed", "threads", "continue_version",
  ]

  static func read(_ path: String) throws(CommandError) -> Massif_V1_TrainingSpecification {
    try parse(TextFile.read(path, maxByteCount: maxByteCount), path: path)
  }

  static func parse(
    _ text: String, path: String
  ) throws(CommandError) -> Massif_V1_TrainingSpecification {
    let members = try members(of: text, path: path)
    var seen: Set<String> = []
    var specification = Massif_V1_TrainingSpecification()
    specification.plugin = "neural-network"
    specification.configuration = "{}"
    for (key, value) in members {
      guard seen.insert(key).inserted else {
        throw CommandError(path, field: key, expected: "each key once")
      }
      switch key {
      case "model": specification.model = try string(value, path, key)
      case "dataset": specification.dataset = try string(value, path, key)
      case "plugin": specification.plugin = try string(value, path, key)
      case "seed": specification.seed = try unsigned(value, path, key)
      case "continue_version":
        let version = try unsigned(value, path, key)
        guard let narrow = Int64(exactly: version), narrow > 0 else {
          throw CommandError(path, field: key, expected: "a version", came: "\(version)")
        }
        specification.continueVersion = narrow
      case "threads":
        let threads = try unsigned(value, path, key)
        guard let narrow = UInt32(exactly: threads) else {
          throw CommandError(
            path, field: key, expected: "at most \(UInt32.max)", came: "\(threads)")
        }
        specification.threads = narrow
      case "configuration":
        guard case .object = value else {
          throw CommandError(path, field: key, expected: "a mapping", came: value.kind)
        }
        specification.configuration = value.text
      default:
        throw CommandError(
          path, field: key, expected: "one of \(keys.joined(separator: ", "))",
          hint: "layers, loss and the like belong under configuration")
      }
    }
    // Whether there must be a data set is the plugin's business.
    guard seen.contains("model") else {
      throw CommandError(path, field: "model", expected: "a name", came: "nothing")
    }
    if specification.continueVersion > 0 {
      // They are the version's; what the file says of them is for the server to refuse.
      if !seen.contains("plugin") { specification.plugin = "" }
      if !seen.contains("configuration") { specification.configuration = "" }
    }
    return specification
  }

  /// A network of a training specification, or of a file that has nothing else in it.
  static func network(_ text: String, path: String) throws(CommandError) -> JSONValue {
    let members = try members(of: text, path: path)
    let isSpecification = members.contains { $0.key == "model" || $0.key == "dataset" }
    guard isSpecification else { return .object(members) }
    return members.first { $0.key == "configuration" }?.value ?? .object([])
  }

  private static func members(
    of text: String, path: String
  ) throws(CommandError) -> [(key: String, value: JSONValue)] {
    let node: Node?
    do {
      node = try Yams.compose(yaml: text)
    } catch {
      throw CommandError("\(path) is neither YAML nor JSON: \(error)")
    }
    var budget = maxNodes
    guard let node, case .object(let members) = try value(of: node, path, "", 0, &budget) else {
      throw CommandError(
        path, expected: "a mapping with \(keys.joined(separator: ", "))", came: "something else",
        hint: "Examples/Specifications has complete ones")
    }
    return members
  }

  private static func string(
    _ value: JSONValue, _ path: String, _ key: String
  ) throws(CommandError) -> String {
    guard case .string(let text) = value, !text.isEmpty else {
      throw CommandError(path, field: key, expected: "a name", came: value.kind)
    }
    return text
  }

  private static func unsigned(
    _ value: JSONValue, _ path: String, _ key: String
  ) throws(CommandError) -> UInt64 {
    switch value {
    case .integer(let number) where number >= 0: return UInt64(number)
    case .unsigned(let number): return number
    default:
      throw CommandError(path, field: key, expected: "a whole number, 0 or more", came: value.kind)
    }
  }

  /// A YAML node as JSON, by YAML's core schema; aliases count for what they stand for.
  private static func value(
    of node: Node, _ path: String, _ field: String, _ depth: Int, _ budget: inout Int
  ) throws(CommandError) -> JSONValue {
    budget -= 1
    guard budget >= 0 else {
      throw CommandError(path, field: field, expected: "at most \(maxNodes) values", came: "more")
    }
    guard depth < maxDepth else {
      throw CommandError(path, field: field, expected: "at most \(maxDepth) levels", came: "more")
    }
    switch node {
    case .scalar: return scalar(node)
    case .sequence(let sequence):
      var values: [JSONValue] = []
      for (index, element) in sequence.enumerated() {
        values.append(try value(of: element, path, "\(field)[\(index)]", depth + 1, &budget))
      }
      return .array(values)
    case .mapping(let mapping):
      var members: [(key: String, value: JSONValue)] = []
      for (keyNode, element) in mapping {
        guard let key = keyNode.scalar?.string else {
          throw CommandError(path, field: field, expected: "names as keys")
        }
        let inner = field.isEmpty ? key : "\(field).\(key)"
        members.append((key, try value(of: element, path, inner, depth + 1, &budget)))
      }
      return .object(members)
    case .alias:
      throw CommandError(path, field: field, expected: "an alias that is defined above it")
    }
  }

  private static func scalar(_ node: Node) -> JSONValue {
    let text = node.scalar?.string ?? ""
    switch node.tag.rawValue {
    case Tag.Name.null.rawValue: return .null
    case Tag.Name.bool.rawValue: return node.bool.map(JSONValue.bool) ?? .string(text)
    case Tag.Name.int.rawValue:
      if let value = Int64(text) { return .integer(value) }
      if let value = UInt64(text) { return .unsigned(value) }
      if let value = node.int { return .integer(Int64(value)) }
      return node.float.map(JSONValue.number) ?? .string(text)
    case Tag.Name.float.rawValue: return node.float.map(JSONValue.number) ?? .string(text)
    default: return .string(text)
    }
  }
}

extension JSONValue {
  /// What it is, for messages.
  var kind: String {
    switch self {
    case .null: "nothing"
    case .bool, .integer, .unsigned, .number: text
    case .string(let value): "\"\(value.prefix(40))\""
    case .array: "a list"
    case .object: "a mapping"
    }
  }
}
