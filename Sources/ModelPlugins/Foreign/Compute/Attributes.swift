// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// The options that a plugin gives with an operation, an initializer or an optimizer; each is asked
/// for by its name, and one that nobody asks for is a mistake.
struct Attributes {
  private let values: [(name: String, text: String, number: Double)]
  private let owner: String
  private var used: Set<String> = []

  /// Copies at most 64 of them.
  ///
  /// - Parameter owner: what they are of, for messages.
  init(
    _ attributes: UnsafePointer<msf_attribute>?, _ count: UInt32, of owner: String
  ) throws(PluginError) {
    guard count <= 64, count == 0 || attributes != nil else {
      throw PluginError(field: owner, "expected at most 64 attributes, came \(count)")
    }
    values = UnsafeBufferPointer(start: attributes, count: Int(count)).map {
      (String($0.name, limit: 64) ?? "", String($0.text, limit: 64) ?? "", $0.number)
    }
    self.owner = owner
  }

  /// A number; `fallback` when there is none, which nil forbids.
  mutating func number(_ name: String, default fallback: Double? = nil) throws(PluginError)
    -> Double
  {
    used.insert(name)
    guard let value = values.first(where: { $0.name == name })?.number ?? fallback else {
      throw PluginError(field: "\(owner).\(name)", "expected a number, but it is missing")
    }
    guard value.isFinite else {
      throw PluginError(field: "\(owner).\(name)", "expected a finite number, came \(value)")
    }
    return value
  }

  /// A whole number.
  mutating func integer(_ name: String, default fallback: Int? = nil) throws(PluginError) -> Int {
    let value = try number(name, default: fallback.map(Double.init))
    guard let integer = Int(exactly: value), abs(integer) <= 1 << 31 else {
      throw PluginError(field: "\(owner).\(name)", "expected a whole number, came \(value)")
    }
    return integer
  }

  /// Zeros around an image.
  mutating func padding() throws(PluginError) -> Padding {
    used.insert("padding")
    switch values.first(where: { $0.name == "padding" })?.text {
    case nil, "valid": return .valid
    case "same": return .same
    case .some(let text):
      throw PluginError(
        field: "\(owner).padding", "expected \"valid\" or \"same\", came \"\(text)\"")
    }
  }

  /// Checks that every attribute has been asked for.
  func check() throws(PluginError) {
    guard let unknown = values.first(where: { !used.contains($0.name) }) else { return }
    let names = used.sorted().joined(separator: ", ")
    throw PluginError(
      field: "\(owner).\(unknown.name)", "\(owner) takes \(names.isEmpty ? "none" : names)")
  }
}
