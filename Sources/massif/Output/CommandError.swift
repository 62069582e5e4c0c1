// SPDX-License-Identifier: Apache-2.0

/// Why a command failed, in the form that a person can act on.
///
///     error: images.idx (byte 16): expected 784 bytes, came 100
///       hint: the file is cut short; fetch it again
struct CommandError: Error, Equatable, CustomStringConvertible {
  var what: String
  var field: String?
  var expected: String?
  var came: String?
  var hint: String?

  init(
    _ what: String, field: String? = nil, expected: String? = nil, came: String? = nil,
    hint: String? = nil
  ) {
    self.what = what
    self.field = field
    self.expected = expected
    self.came = came
    self.hint = hint
  }

  var description: String {
    var text = what
    if let field { text += " (\(field))" }
    let details = [expected.map { "expected \($0)" }, came.map { "came \($0)" }].compactMap(\.self)
    if !details.isEmpty { text += ": " + details.joined(separator: ", ") }
    if let hint { text += "\n  hint: \(hint)" }
    return text
  }
}
