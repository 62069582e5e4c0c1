// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Synchronization

/// One line of a terminal that is drawn over and over.
///
/// On anything but a terminal it draws nothing.
///
/// The cursor stays visible and no mode of the terminal is changed, so there is nothing to restore
/// if the process is killed; `clear()` leaves an empty line. Thread-safe.
final class StatusLine: Sendable {
  private let descriptor: Int32
  private let isTerminal: Bool
  private let shown = Mutex("")

  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    isTerminal = Console.terminalWidth(descriptor) != nil
  }

  /// Whether anything is drawn.
  var isLive: Bool { isTerminal }

  /// Draws what `render` makes for the terminal's width, unless it stands there already.
  func show(_ render: (_ width: Int) -> String) {
    guard isTerminal, let width = Console.terminalWidth(descriptor) else { return }
    // The last column stays free: some terminals wrap when it is written.
    let line = render(max(width - 1, 1))
    shown.withLock { shown in
      guard line != shown else { return }
      shown = line
      // CR to the first column, then erase to the end of the line (ECMA-48, EL).
      Console.write("\r\(line)\u{1B}[K", to: descriptor)
    }
  }

  /// Erases the line.
  func clear() {
    shown.withLock { shown in
      guard isTerminal, !shown.isEmpty else { return }
      shown = ""
      Console.write("\r\u{1B}[K", to: descriptor)
    }
  }
}
