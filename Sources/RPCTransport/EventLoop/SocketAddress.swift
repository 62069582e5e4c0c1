// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc

/// An IPv4 or IPv6 address with a port.
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

  /// The port.
  public var port: Int {
    var copy = storage
    return withUnsafeBytes(of: &copy) {
      // Both families keep the port, big-endian, behind the 2 bytes of the family.
      Int($0[2]) << 8 | Int($0[3])
    }
  }

  /// The host in numbers.
  public var host: String {
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let result = withSockaddr { address, length in
      getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    }
    guard result == 0 else { return "?" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// `host:port`, an IPv6 host in brackets.
  public var description: String {
    family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
