// SPDX-License-Identifier: Apache-2.0

/// Decides the effective value of a setting: flag before environment before massif.yaml before
/// default.
struct Settings: Sendable {
  let environment: [String: String]
  let file: ConfigurationFile?

  /// A value and where it came from.
  struct Effective: Sendable, Equatable {
    enum Origin: Sendable, Equatable, CustomStringConvertible {
      case flag(String)
      case environment(String)
      case file(String)
      case defaultValue
      case unset

      var description: String {
        switch self {
        case .flag(let name): "flag \(name)"
        case .environment(let name): "environment \(name)"
        case .file(let path): "file \(path)"
        case .defaultValue: "default"
        case .unset: "not set"
        }
      }
    }

    let value: String?
    let origin: Origin
  }

  /// The effective value, where `flag` is what the command line gave.
  func effective(_ setting: Setting, flag: String? = nil) throws(CommandError) -> Effective {
    let found = lookUp(setting, flag)
    if let value = found.value, !setting.choices.isEmpty, !setting.choices.contains(value) {
      throw CommandError(
        setting.key, field: "\(found.origin)",
        expected: setting.choices.joined(separator: " or "), came: "\"\(value)\"")
    }
    return found
  }

  private func lookUp(_ setting: Setting, _ flag: String?) -> Effective {
    if let flag { return Effective(value: flag, origin: .flag(setting.flag)) }
    // An empty variable counts as none, as is the custom of shells.
    if let value = environment[setting.environment], !value.isEmpty {
      return Effective(value: value, origin: .environment(setting.environment))
    }
    if let file, let value = file.values[setting.key] {
      return Effective(value: value, origin: .file(file.path))
    }
    if let value = setting.defaultValue { return Effective(value: value, origin: .defaultValue) }
    return Effective(value: nil, origin: .unset)
  }
}
