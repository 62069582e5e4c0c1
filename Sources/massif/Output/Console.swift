// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Writes to the terminal or to whatever the shell connected.
enum Console {
  /// Writes a line to standard output.
  static func print(_ line: String) {
    write(line + "\n", to: STDOUT_FILENO)
  }

  /// Writes `error: …` to standard error.
  static func error(_ text: String) {
    write("error: \(text)\n", to: STDERR_FILENO)
  }

  /// Writes a line for a person to standard error, so that standard output stays for programs.
  static func note(_ line: String) {
    write(line + "\n", to: STDERR_FILENO)
  }

  /// Writes all of a text, however the kernel takes it; what is at the other end may have gone.
  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let count = Glibc.write(
          descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        written += count
      }
    }
  }

  /// The width of the terminal that a descriptor is, or nil where it is none.
  static func terminalWidth(_ descriptor: Int32) -> Int? {
    guard isatty(descriptor) == 1 else { return nil }
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
