// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Appends lines to a file from a thread of its own, so that no caller waits for a disk.
///
/// The file is opened anew when it was renamed or removed, so that it can be rotated without telling
/// the server. Lines that come faster than the disk takes them are dropped beyond a bound, and
/// counted.
public final class LineFile: AccessLogWriter {
  private struct State {
    var waiting: [UInt8] = []
    var isScheduled = false
    var dropped: UInt64 = 0
  }

  /// Bytes that wait for the disk.
  private static let maxWaitingByteCount = 8 << 20

  private let path: String
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "massif.access-log")
  // Of the queue alone.
  private let descriptor: Mutex<Int32>

  /// Opens `path` for appending, and makes it if it is not there.
  ///
  /// - Throws: what the system says of the file.
  public init(path: String) throws(LineFileError) {
    self.path = path
    let opened = Self.open(path)
    guard opened >= 0 else { throw LineFileError(path: path, code: errno) }
    descriptor = Mutex(opened)
  }

  deinit {
    descriptor.withLock { _ = close($0) }
  }

  /// Lines that were dropped because the disk did not keep up or could not be written.
  public var droppedLineCount: UInt64 { state.withLock { $0.dropped } }

  /// Takes a line.
  public func write(_ line: String) {
    let isFirst = state.withLock { state in
      guard state.waiting.count < Self.maxWaitingByteCount else {
        state.dropped += 1
        return false
      }
      state.waiting += line.utf8
      state.waiting.append(UInt8(ascii: "\n"))
      defer { state.isScheduled = true }
      return !state.isScheduled
    }
    if isFirst { queue.async { self.writeAll() } }
  }

  /// Returns when every line that was taken before is written.
  public func flush() { queue.sync { writeAll() } }

  private func writeAll() {
    let bytes = state.withLock { state in
      defer { state.waiting = [] }
      state.isScheduled = false
      return state.waiting
    }
    guard !bytes.isEmpty else { return }
    let written = descriptor.withLock { descriptor in
      Self.reopenIfMoved(path, &descriptor)
      return Self.write(bytes, to: descriptor)
    }
    if written < bytes.count {
      let lost = bytes[written...].count { $0 == UInt8(ascii: "\n") }
      state.withLock { $0.dropped += UInt64(lost) }
    }
  }

  /// - Returns: how many bytes were written; fewer where the disk is full.
  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int {
    bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        done += count
      }
      return done
    }
  }

  private static func open(_ path: String) -> Int32 {
    Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
  }

  private static func reopenIfMoved(_ path: String, _ descriptor: inout Int32) {
    var here = stat()
    var there = stat()
    guard fstat(descriptor, &here) == 0 else { return }
    if stat(path, &there) == 0, here.st_ino == there.st_ino, here.st_dev == there.st_dev { return }
    let opened = open(path)
    guard opened >= 0 else { return }
    close(descriptor)
    descriptor = opened
  }
}

/// Why a file for lines cannot be opened.
public struct LineFileError: Error, CustomStringConvertible {
  /// The file.
  public let path: String
  /// The system's number of the error.
  public let code: Int32

  /// What a person reads.
  public var description: String { "\(path): \(String(cString: strerror(code)))" }
}
