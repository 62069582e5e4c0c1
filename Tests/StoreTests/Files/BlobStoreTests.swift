// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Store

@Suite struct BlobStoreTests {
  @Test func keepsAFileUnderItsDigest() throws {
    let fixture = try StoreFixture()
    let digest = try StoreFixture.digest("hello world")
    let writer = try fixture.store.datasets.makeWriter(expecting: digest, byteCount: 11)
    try writer.append("hello ")
    #expect(try !fixture.store.datasets.contains(digest))
    try writer.append("")
    try writer.append("world")
    try writer.verify()
    #expect(try writer.map().text == "hello world")
    #expect(try !fixture.store.datasets.contains(digest))
    try writer.commit()
    #expect(try fixture.store.datasets.contains(digest))
    #expect(
      try fixture.store.datasets.map(digest).text == "hello world"
    )
    #expect(try fixture.entries("datasets") == [digest.hexadecimal])
    #expect(try fixture.entries("incoming").isEmpty)
  }

  @Test func givesAPluginItsPermissions() throws {
    let fixture = try StoreFixture()
    let digest = try StoreFixture.digest("code")
    let writer = try fixture.store.plugins.makeWriter(expecting: digest, byteCount: 4)
    try writer.append("code")
    try writer.verify()
    try writer.commit()
    let attributes = try FileManager.default.attributesOfItem(
      atPath: fixture.store.plugins.path(of: digest))
    #expect(attributes[.posixPermissions] as? Int == 0o500)
  }

  @Test(arguments: ["hello", "hello worlds", "hello w0rld", ""])
  func refusesWhatWasNotAnnounced(_ text: String) throws {
    let fixture = try StoreFixture()
    let digest = try StoreFixture.digest("hello world")
    let writer = try fixture.store.datasets.makeWriter(expecting: digest, byteCount: 11)
    let error = #expect(throws: StoreError.self) {
      try writer.append(text)
      try writer.verify()
    }
    #expect(error?.code == .invalidArgument)
    #expect(try fixture.entries("incoming").isEmpty)
    #expect(throws: StoreError.self) { try writer.commit() }
    #expect(throws: StoreError.self) { try writer.append("more") }
    #expect(try fixture.entries("datasets").isEmpty)
  }

  @Test func namesTheDigestThatCame() throws {
    let fixture = try StoreFixture()
    let writer = try fixture.store.datasets.makeWriter(
      expecting: StoreFixture.digest("expected"), byteCount: 4)
    try writer.append("came")
    let error = #expect(throws: StoreError.self) { try writer.verify() }
    #expect(error?.message.contains(try StoreFixture.digest("expected").hexadecimal) == true)
    #expect(error?.message.contains(try StoreFixture.digest("came").hexadecimal) == true)
  }

  @Test func refusesToCommitWhatWasNotVerified() throws {
    let fixture = try StoreFixture()
    let writer = try fixture.store.datasets.makeWriter(
      expecting: StoreFixture.digest("abc"), byteCount: 3)
    try writer.append("abc")
    #expect(throws: StoreError.self) { try writer.commit() }
    #expect(try fixture.entries("datasets").isEmpty)
  }

  @Test func takesItsFileWithIt() throws {
    let fixture = try StoreFixture()
    do {
      let writer = try fixture.store.datasets.makeWriter(
        expecting: StoreFixture.digest("abc"), byteCount: 3)
      try writer.append("ab")
      #expect(try fixture.entries("incoming").count == 1)
    }
    #expect(try fixture.entries("incoming").isEmpty)
  }

  @Test func saysThatTheDiskIsFull() throws {
    let fixture = try StoreFixture()
    let temporary = ResourceName(literal: "blob-full")
    _ = try fixture.store.incoming.create(temporary)
    // Every write to /dev/full fails with ENOSPC, full(4).
    let writer = try BlobWriter(
      store: fixture.store.datasets, digest: StoreFixture.digest("abc"), byteCount: 3,
      temporary: temporary, file: WritableFile(descriptor: Glibc.open("/dev/full", O_WRONLY)))
    let error = #expect(throws: StoreError.self) { try writer.append("abc") }
    #expect(error?.code == .resourceExhausted)
    #expect(try fixture.entries("incoming").isEmpty)
  }

  @Test func forgetsTornFilesAtTheNextStart() throws {
    let fixture = try StoreFixture()
    let digest = try StoreFixture.digest("abcdef")
    let writer = try fixture.store.datasets.makeWriter(expecting: digest, byteCount: 6)
    try writer.append("abc")
    let staged = try fixture.store.stageVersion()
    try Array("torn".utf8).withUnsafeBytes {
      try staged.append($0, to: ResourceName(literal: "weights.safetensors"))
    }
    let (reopened, directory) = try fixture.afterKill()
    #expect(try !reopened.datasets.contains(digest))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.path + "/store/incoming")
        .isEmpty)
  }
}
