// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc
import Synchronization

/// Messages between a host and its worker over a stream socket: each behind its size, its kind and
/// the number of its request, with descriptors beside it.
///
/// One thread receives; any thread sends. Both block.
final class ControlChannel: Sendable {
  /// A message and what came with it.
  struct Frame {
    var kind: UInt32
    var number: UInt32
    var body: [UInt8]
    /// The receiver's to close.
    var descriptors: [Int32]
  }

  /// A configuration has at most 1 MiB, and nothing else in these messages is long.
  private static let maxBodyByteCount = 16 << 20
  private static let headByteCount = 12

  private let descriptor: Int32
  /// Held while a message is written, so that messages do not mix.
  private let sending = Mutex(())

  /// Takes the socket over.
  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// Sends a message; the descriptors stay the caller's.
  ///
  /// False when the other end is gone, or takes nothing any more.
  @discardableResult
  func send(_ kind: FrameKind, number: UInt32, _ body: [UInt8] = [], descriptors: [Int32] = [])
    -> Bool
  {
    guard body.count <= Self.maxBodyByteCount else { return false }
    var head = WireEncoder()
    head.put(UInt32(body.count))
    head.put(kind.rawValue)
    head.put(number)
    let frame = head.bytes + body
    return sending.withLock { _ in
      cs_send(descriptor, frame, frame.count, descriptors, Int32(descriptors.count)) == 0
    }
  }

  /// Waits for the next message; nil when the other end is gone or sent what is no frame.
  func receive() -> Frame? {
    var descriptors: [Int32] = []
    guard let head = receiveBytes(Self.headByteCount, &descriptors) else { return nil }
    var decoder = WireDecoder(head)
    guard let count = try? decoder.integer(UInt32.self), count <= Self.maxBodyByteCount,
      let kind = try? decoder.integer(UInt32.self), let number = try? decoder.integer(UInt32.self),
      let body = receiveBytes(Int(count), &descriptors)
    else {
      for descriptor in descriptors { close(descriptor) }
      return nil
    }
    return Frame(kind: kind, number: number, body: body, descriptors: descriptors)
  }

  /// Ends the conversation for both ends.
  func disconnect() {
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  private func receiveBytes(_ count: Int, _ descriptors: inout [Int32]) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      var came = [Int32](repeating: -1, count: Int(cs_max_descriptors))
      var cameCount: Int32 = 0
      let received = bytes.withUnsafeMutableBytes { buffer -> Int in
        guard let base = buffer.baseAddress else { return 0 }
        return cs_receive(descriptor, base + filled, count - filled, &came, &cameCount)
      }
      descriptors += came.prefix(Int(cameCount))
      guard received > 0 else { return nil }
      filled += received
    }
    return bytes
  }
}
