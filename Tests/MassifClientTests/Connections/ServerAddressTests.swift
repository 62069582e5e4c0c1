// SPDX-License-Identifier: Apache-2.0
import MassifClient
import Testing

struct ServerAddressTests {
  @Test(arguments: [
    ("localhost", "localhost", 8001), ("gpu7.lab:9000", "gpu7.lab", 9000),
    ("127.0.0.1:1", "127.0.0.1", 1), ("[::1]", "::1", 8001), ("[fe80::1]:65535", "fe80::1", 65535),
  ])
  func reads(text: String, host: String, port: Int) throws {
    let address = try #require(ServerAddress(text))
    #expect(address == ServerAddress(host: host, port: port))
    #expect(ServerAddress(address.description) == address)
  }

  @Test(arguments: [
    "", ":8001", "host:", "host:0", "host:65536", "host:-1", "host:80x", "::1", "[::1", "[]:80",
    "[::1]80", "a b:80", "h\u{0}st:80", "höst:80",
  ])
  func refuses(text: String) {
    #expect(ServerAddress(text) == nil)
  }
}
