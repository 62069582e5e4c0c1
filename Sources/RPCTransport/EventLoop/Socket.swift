// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc

/// A connected, non-blocking stream socket that has no connection object yet.
///
/// It is accepted on one loop and may be handed to another: one connection takes its descriptor,
/// once; without a taker it closes with the last reference.
public final class Socket: @unchecked Sendable {
  /// The other end's address.
  public let peerAddress: SocketAddress
  private var descriptor: Int32

  init(descriptor: Int32, peerAddress: SocketAddress) {
    self.descriptor = descriptor
    self.peerAddress = peerAddress
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Hands the descriptor to a new owner, who closes it.
  public func takeDescriptor() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }

  /// Sets what every connection of ours has: no delay of small segments, and an end to dead peers.
  static func configure(_ descriptor: Int32) {
    set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    // A peer that vanished is noticed after a minute, whether we wait for it to read or to speak.
    set(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 60_000)
    set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
    set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 30)
    set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
    set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
  }

  @discardableResult
  static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
    var value = value
    return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
  }
}
