// SPDX-License-Identifier: Apache-2.0
import Glibc
import Store
import SwiftProtobuf
import Synchronization

/// Protobuf messages over a stream socket, each behind its length in 4 bytes, big-endian.
///
/// One thread receives; any thread sends. Both block.
final class MessageChannel: Sendable {
  /// A configuration has at most 1 MiB, and nothing else in these messages is long.
  static let maxMessageByteCount = 16 << 20

  private let descriptor: Int32
  /// Held while a message is written, so that messages do not mix.
  private let sending = Mutex(())
  private let timedOut = Atomic(false)

  /// Takes the socket over.
  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// A pair of connected sockets that no other program inherits.
  static func makePair() throws(LifecycleError) -> (Int32, Int32) {
    var pair: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutableBytes(of: &pair) { bytes in
      socketpair(
        AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0,
        bytes.bindMemory(to: Int32.self).baseAddress)
    }
    guard result == 0 else { throw .system("socketpair", "starting a worker process failed") }
    return pair
  }

  /// Has `receive` give up, as if the other end were gone, after so long without a byte.
  func setReceiveTimeout(_ timeout: Duration) {
    let microseconds = Int64(timeout.components.attoseconds / 1_000_000_000_000)
    var value = timeval(
      tv_sec: Int(timeout.components.seconds), tv_usec: Int(microseconds))
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &value, socklen_t(MemoryLayout<timeval>.size))
  }

  /// Whether `receive` gave up because the other end said nothing for too long.
  var hasTimedOut: Bool { timedOut.load(ordering: .relaxed) }

  /// Sends a message.
  ///
  /// False when nobody is there any more.
  @discardableResult
  func send(_ message: some Message) -> Bool {
    guard let body: [UInt8] = try? message.serializedBytes(),
      body.count <= Self.maxMessageByteCount
    else { return false }
    let frame = withUnsafeBytes(of: UInt32(body.count).bigEndian) { Array($0) } + body
    return sending.withLock { _ in
      frame.withUnsafeBytes { buffer in
        var rest = buffer[...]
        while !rest.isEmpty {
          let bytes = UnsafeRawBufferPointer(rebasing: rest)
          let sent = Glibc.send(
            descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
          if sent < 0 {
            if errno == EINTR { continue }
            return false
          }
          rest = rest[(rest.startIndex + sent)...]
        }
        return true
      }
    }
  }

  /// Waits for the next message.
  ///
  /// Nil when the other end is gone.
  ///
  /// - Throws: `.protocolViolation` for a frame that is too long or no such message.
  func receive<M: Message>(_ type: M.Type) throws(LifecycleError) -> M? {
    guard let head = receiveBytes(4) else { return nil }
    let count = head.reduce(0) { $0 << 8 | Int($1) }
    guard count <= Self.maxMessageByteCount else {
      throw LifecycleError(.protocolViolation, "a message of \(count) bytes is too long")
    }
    guard let body = receiveBytes(count) else { return nil }
    do {
      return try M(serializedBytes: body)
    } catch {
      throw LifecycleError(.protocolViolation, "a message could not be read", cause: error)
    }
  }

  /// Ends the conversation: both ends receive nothing more, after what was sent already.
  func disconnect() {
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  private func receiveBytes(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let received = bytes.withUnsafeMutableBytes { buffer in
        recv(descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, 0)
      }
      if received < 0, errno == EINTR { continue }
      if received < 0, errno == EAGAIN { timedOut.store(true, ordering: .relaxed) }
      guard received > 0 else { return nil }
      filled += received
    }
    return bytes
  }
}
