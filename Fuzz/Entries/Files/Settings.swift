// SPDX-License-Identifier: Apache-2.0
@testable import massif

extension FuzzEntry {
  /// massif.yaml: only settings that exist.
  ///
  /// Input: the text.
  static let settings = FuzzEntry("settings", maxByteCount: 2048) { bytes in
    guard let text = FuzzInput(bytes).text else { return }
    let known = Setting.all
    guard let file = try? ConfigurationFile(text: text, path: "massif.yaml", known: known) else {
      return
    }
    let keys = Set(known.map(\.key))
    for key in file.values.keys { try require(keys.contains(key), "a setting '\(key)'") }
  }
}
