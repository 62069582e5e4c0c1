// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc

/// An IPv4 or IPv6 address with a port, or the path of a Unix-domain socket.
public struct SocketAddress: Sendable, CustomStringConvertible {
  private var storage: sockaddr_storage
  private var length: socklen_t

  init(storage: sockaddr_storage, length: socklen_t) {
    self.storage = storage
    self.length = length
  }

  /// Makes an address of a numeric host, as `127.0.0.1` or `::1`.
  ///
  /// - Throws: `.invalidArgument` where `host` is not an address.
  public init(host: String, port: Int) throws(TransportError) {
    let found = try SocketAddress.lookUp(host: host, port: port, numericOnly: true)
    guard let first = found.first else {
      throw TransportError(.invalidArgument, "'\(host)' is not an IPv4 or IPv6 address")
    }
    self = first
  }

  /// Makes the address of a Unix-domain socket.
  ///
  /// - Throws: `.invalidArgument` where the path is empty or longer than the system's 107 bytes.
  public init(unixPath path: String) throws(TransportError) {
    var address = sockaddr_un()
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < capacity, !bytes.contains(0) else {
      throw TransportError(
        .invalidArgument, "'\(path)': a socket's path of 1 to \(capacity - 1) bytes was expected")
    }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    var storage = sockaddr_storage()
    withUnsafeMutableBytes(of: &storage) { storage in
      withUnsafeBytes(of: address) { storage.copyMemory(from: $0) }
    }
    self.storage = storage
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
  }

  /// The addresses of a host, by name or number.
  ///
  /// Waits for the resolver where it is a name.
  static func lookUp(
    host: String, port: Int, numericOnly: Bool
  ) throws(TransportError) -> [SocketAddress] {
    guard (0...65535).contains(port) else {
      throw TransportError(.invalidArgument, "port \(port) is not in 0...65535")
    }
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV | (numericOnly ? AI_NUMERICHOST : AI_ADDRCONFIG)
    var list: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host, String(port), &hints, &list)
    guard result == 0 else {
      let why = String(cString: gai_strerror(result))
      throw TransportError(
        numericOnly ? .invalidArgument : .nameResolution, "address of '\(host)': \(why)")
    }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var entry = list
    while let info = entry?.pointee {
      if let address = info.ai_addr {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
          $0.copyMemory(
            from: UnsafeRawBufferPointer(start: address, count: min(Int(info.ai_addrlen), $0.count))
          )
        }
        addresses.append(SocketAddress(storage: storage, length: info.ai_addrlen))
      }
      entry = info.ai_next
    }
    return addresses
  }

  var family: Int32 { Int32(storage.ss_family) }

  func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// The path of a Unix-domain socket, or nil for another address.
  ///
  /// Empty for the connecting end of one.
  public var unixPath: String? {
    guard family == AF_UNIX else { return nil }
    return withUnsafeBytes(of: storage) { bytes in
      String(decoding: bytes.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Which network a peer is counted under: an IPv4 address, or the 64 bits of an IPv6 address that
  /// one customer has at will; nil for a Unix-domain socket, whose peers are of this machine.
  public var peerNetwork: PeerNetwork? {
    withUnsafeBytes(of: storage) { bytes in
      switch family {
      case AF_INET: PeerNetwork(bytes: Array(bytes[4..<8]))
      case AF_INET6:
        // RFC 4291 §2.5.5.2: an IPv4 address inside of an IPv6 one.
        bytes[8..<18].allSatisfy({ $0 == 0 }) && bytes[18] == 0xff && bytes[19] == 0xff
          ? PeerNetwork(bytes: Array(bytes[20..<24])) : PeerNetwork(bytes: Array(bytes[8..<16]))
      default: nil
      }
    }
  }

  /// The part of an address that stands for one peer.
  public struct PeerNetwork: Hashable, Sendable {
    let bytes: [UInt8]
  }

  /// The port; 0 where there is none.
  public var port: Int {
    guard family != AF_UNIX else { return 0 }
    var copy = storage
    return withUnsafeBytes(of: &copy) {
      // Both families keep the port, big-endian, behind the 2 bytes of the family.
      Int($0[2]) << 8 | Int($0[3])
    }
  }

  /// The host in numbers.
  public var host: String {
    if let unixPath { return unixPath }
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let result = withSockaddr { address, length in
      getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    }
    guard result == 0 else { return "?" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// `host:port`, an IPv6 host in brackets; `unix:` and the path.
  public var description: String {
    if let unixPath { return "unix:\(unixPath)" }
    return family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
