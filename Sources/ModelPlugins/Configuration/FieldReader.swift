// SPDX-License-Identifier: Apache-2.0

/// Collects what is wrong with a configuration, so that its author sees everything at once.
final class ViolationList {
  private(set) var violations: [FieldViolation] = []

  /// Enough for any author; a hostile configuration gets no longer answer.
  private static let limit = 20
  /// The answer travels in a response's headers, of which peers take 8 KiB.
  private static let byteLimit = 7 << 10
  private var byteCount = 0

  func add(_ field: String, _ description: String) {
    guard violations.count < Self.limit, byteCount < Self.byteLimit else { return }
    byteCount += field.utf8.count + description.utf8.count
    violations.append(FieldViolation(field: field, description: description))
  }

  /// Throws when there is a violation.
  func check() throws(PluginError) {
    if !violations.isEmpty { throw PluginError(violations: violations) }
  }
}

/// Reads the members of one JSON object, each by its name, type and range.
///
/// A member that is wrong is noted and read as its default or its least value, so that reading goes
/// on; nothing of what was read may be used before `ViolationList.check`.
struct FieldReader {
  /// Where the object is: `configuration.layers[2]`.
  let path: String
  private let list: ViolationList
  private let members: [String: JSONValue]

  /// Begins to read an object; an unknown key is a violation, with the known ones listed.
  ///
  /// - Parameter value: nil for an object that is not there; then every member is missing.
  init(_ value: JSONValue?, path: String, keys: [String], list: ViolationList) {
    self.path = path
    self.list = list
    guard let value else {
      members = [:]
      return
    }
    guard case .object(let object) = value else {
      list.add(path, "expected an object, came \(value.excerpt)")
      members = [:]
      return
    }
    for member in object where !keys.contains(member.key) {
      list.add(
        "\(path).\(member.key.prefix(64))", "is unknown; known are \(keys.joined(separator: ", "))")
    }
    members = Dictionary(object.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// The path of a member.
  func field(_ key: String) -> String { "\(path).\(key)" }

  /// The member as it is.
  subscript(key: String) -> JSONValue? { members[key] }

  /// An integer in a range; without a default, it must be there.
  func integer(_ key: String, _ range: ClosedRange<Int>, default value: Int? = nil) -> Int {
    let expectation = "an integer in \(range.lowerBound)...\(range.upperBound)"
    return read(key, expectation, default: value, instead: range.lowerBound) { json in
      guard case .number(_, let text) = json, let integer = Int(text), range.contains(integer)
      else { return nil }
      return integer
    }
  }

  /// A number that `accepts` takes; `expectation` says which those are.
  func number(
    _ key: String, _ expectation: String, default value: Double, where accepts: (Double) -> Bool
  ) -> Double {
    read(key, expectation, default: value, instead: value) { json in
      // Computation is in single precision: what overflows there is no number here.
      guard case .number(let number, _) = json, Float(number).isFinite, accepts(number) else {
        return nil
      }
      return number
    }
  }

  /// True or false.
  func bool(_ key: String, default value: Bool) -> Bool {
    read(key, "true or false", default: value, instead: value) { json in
      if case .bool(let bool) = json { bool } else { nil }
    }
  }

  /// One of the raw values of an enum; without a default, it must be there.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, of type: Choice.Type = Choice.self, default value: Choice? = nil
  ) -> Choice? where Choice.RawValue == String {
    let names = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    let fallback: Choice?? = value.map { .some($0) }
    return read(key, "one of \(names)", default: fallback, instead: value) { json in
      guard case .string(let name) = json, let choice = Choice(rawValue: name) else { return nil }
      return .some(choice)
    }
  }

  /// A tensor's name.
  func name(_ key: String, default value: String) -> String {
    read(key, "a name of 1 to 128 letters, digits, '.', '_' or '-'", default: value, instead: value)
    { json in
      if case .string(let name) = json, PluginName.isValid(name) { name } else { nil }
    }
  }

  /// A list of strings; nil where there is none.
  func strings(_ key: String) -> [String]? {
    guard members[key] != nil else { return nil }
    return read(key, "a list of strings", default: [], instead: []) { json in
      guard case .array(let elements) = json else { return nil }
      let strings = elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
      return strings.count == elements.count ? strings : nil
    }
  }

  /// A list of integers in a range; empty where there is none.
  func integers(_ key: String, _ range: ClosedRange<Int>) -> [Int] {
    let expectation = "a list of integers in \(range.lowerBound)...\(range.upperBound)"
    return read(key, expectation, default: [], instead: []) { json in
      guard case .array(let elements) = json else { return nil }
      let integers = elements.compactMap { element -> Int? in
        guard case .number(_, let text) = element, let integer = Int(text),
          range.contains(integer)
        else { return nil }
        return integer
      }
      return integers.count == elements.count ? integers : nil
    }
  }

  /// Notes that a member is wrong.
  func refuse(_ key: String, _ description: String) {
    list.add(field(key), description)
  }

  private func read<Value>(
    _ key: String, _ expectation: String, default value: Value?, instead: Value,
    _ convert: (JSONValue) -> Value?
  ) -> Value {
    guard let json = members[key] else {
      if let value { return value }
      list.add(field(key), "expected \(expectation), but it is missing")
      return instead
    }
    if let converted = convert(json) { return converted }
    list.add(field(key), "expected \(expectation), came \(json.excerpt)")
    return instead
  }
}
