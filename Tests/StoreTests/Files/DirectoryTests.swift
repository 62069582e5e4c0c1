// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Store

@Suite struct DirectoryTests {
  let temporary: TemporaryDirectory
  let root: Directory
  let name = ResourceName(literal: "entry")

  init() throws {
    temporary = try TemporaryDirectory()
    root = try Directory(path: temporary.path + "/root")
  }

  @Test func followsNoLinkOut() throws {
    let outside = temporary.path + "/outside"
    try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: false)
    try Data("secret".utf8).write(to: URL(fileURLWithPath: outside + "/file"))
    symlink(outside, temporary.path + "/root/entry")
    symlink(outside + "/file", temporary.path + "/root/link")
    #expect(throws: StoreError.self) { try root.directory(name) }
    #expect(throws: StoreError.self) { try root.makeDirectory(name) }
    #expect(throws: StoreError.self) { try root.map(ResourceName(literal: "link")) }
    #expect(throws: StoreError.self) { _ = try root.create(ResourceName(literal: "link")) }
    #expect(try root.byteCount(of: ResourceName(literal: "link")) == nil)
    // Removing the link must leave what it points at.
    try root.removeTree(name)
    #expect(FileManager.default.fileExists(atPath: outside + "/file"))
  }

  @Test func removesATree() throws {
    let child = try root.makeDirectory(name)
    let deeper = try child.makeDirectory(name)
    _ = try deeper.create(name)
    try Data().write(to: URL(fileURLWithPath: temporary.path + "/root/entry/.odd name"))
    symlink("/", temporary.path + "/root/entry/link")
    try root.removeTree(name)
    #expect(try root.entries().isEmpty)
    try root.removeTree(name)
    try root.removeFile(name)
  }

  @Test func refusesWhatIsNoRegularFile() throws {
    mkfifo(temporary.path + "/root/entry", 0o600)
    // Opening a FIFO that nobody writes would wait for ever.
    let error = #expect(throws: StoreError.self) { try root.map(name) }
    #expect(error?.code == .dataLoss)
  }

  @Test func mapsAnEmptyFile() throws {
    _ = try root.create(name)
    #expect(try root.map(name).count == 0)
    #expect(try root.byteCount(of: name) == 0)
    let error = #expect(throws: StoreError.self) { _ = try root.create(name) }
    #expect(error?.code == .alreadyExists)
    #expect(throws: StoreError.self) { try root.map(ResourceName(literal: "other")) }
  }

  @Test func stagesADirectory() throws {
    let destination = try root.makeDirectory(ResourceName(literal: "final"))
    do {
      let abandoned = try StagedDirectory(in: root)
      try Array("x".utf8).withUnsafeBytes { try abandoned.append($0, to: name) }
    }
    #expect(try root.entries().map(\.description) == ["final"])
    let staged = try StagedDirectory(in: root)
    for piece in ["ab", "", "cd"] {
      try Array(piece.utf8).withUnsafeBytes { try staged.append($0, to: name) }
    }
    #expect(try staged.artifacts().map(\.byteCount) == [4])
    try staged.commit(to: destination, as: ResourceName(literal: "1"))
    let file = try destination.directory(ResourceName(literal: "1")).map(name)
    #expect(file.text == "abcd")
    #expect(try root.entries().map(\.description) == ["final"])
  }

  @Test func sweepsUnfinishedDirectories() throws {
    let kept = try root.makeDirectory(ResourceName(literal: "checkpoint-1"))
    _ = try kept.create(name)
    _ = try root.makeDirectory(ResourceName.random(prefix: "unfinished-")).create(name)
    try StagedDirectory.sweep(root)
    #expect(try root.entries().map(\.description) == ["checkpoint-1"])
  }
}
