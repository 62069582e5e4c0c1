// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import MassifClient

@Suite struct UploadFileTests {
  @Test func hasTheLengthAndDigestOfAFile() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/abc"
    try Data("abc".utf8).write(to: URL(filePath: path))
    let file = try UploadFile(path: path)
    #expect(file.byteCount == 3)
    // The test vector of FIPS 180-4.
    #expect(file.sha256.prefix(4) == [0xBA, 0x78, 0x16, 0xBF])
    var sent: [UInt8] = []
    try await file.forEachChunk { sent += $0 }
    #expect(sent == Array("abc".utf8))
  }

  @Test func whatHasNoEndOrNoBytesIsRefused() throws {
    let directory = try TemporaryDirectory()
    let fifo = directory.path + "/fifo"
    #expect(mkfifo(fifo, 0o600) == 0)
    for path in ["/dev/zero", fifo, directory.path, directory.path + "/missing"] {
      #expect(throws: MassifError.self, "\(path)") { try UploadFile(path: path) }
    }
  }
}
