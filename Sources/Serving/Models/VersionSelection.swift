// SPDX-License-Identifier: Apache-2.0

/// Which version of a model a request asks for.
enum VersionRequest: Equatable, Sendable {
  /// None named: the alias `production` if it points at a version that is ready, else the newest
  /// that is.
  case unspecified
  case number(Int64)
  case alias(String)

  /// The alias that a request without a version follows.
  static let defaultAlias = "production"

  /// Reads the `model_version` of a request; anything that is not a positive number is an alias.
  init(_ text: String) {
    if text.isEmpty {
      self = .unspecified
    } else if let number = Int64(text), number > 0, text.utf8.first != UInt8(ascii: "+") {
      self = .number(number)
    } else {
      self = .alias(text)
    }
  }

  /// Chooses among the versions that are known here.
  ///
  /// - Parameter isReady: by version, whether it takes requests.
  /// - Returns: a version, ready or not; nil when there is none to name.
  func version(in isReady: [Int64: Bool], aliases: [String: Int64]) -> Int64? {
    switch self {
    case .number(let number):
      return isReady[number] == nil ? nil : number
    case .alias(let alias):
      guard let number = aliases[alias], isReady[number] != nil else { return nil }
      return number
    case .unspecified:
      if let production = aliases[Self.defaultAlias], isReady[production] == true {
        return production
      }
      return isReady.filter(\.value).keys.max() ?? isReady.keys.max()
    }
  }
}
