// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import Store
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

@Suite struct CheckpointDirectoryTests {
  let temporary: TemporaryDirectory
  let directory: Directory
  let checkpoints: CheckpointDirectory

  init() throws {
    temporary = try TemporaryDirectory()
    directory = try Directory(path: temporary.path + "/job")
    checkpoints = try CheckpointDirectory(directory)
  }

  private func results(_ count: Int) -> [Massif_V1_EpochResult] {
    (0..<count).map { index in .with { $0.epoch = UInt32(index + 1) } }
  }

  private func write(_ epoch: Int) throws {
    try checkpoints.write(epoch: epoch, results: results(epoch)) { writer in
      for piece in ["state ", "\(epoch)"] {
        try Array(piece.utf8).withUnsafeBytes { try writer("state", $0) }
      }
    }
  }

  private var entries: [String] {
    get throws { try directory.entries().map(\.description) }
  }

  @Test func keepsTheNewest() throws {
    #expect(try checkpoints.newest() == nil)
    for epoch in [9, 10, 11] { try write(epoch) }
    #expect(try entries == ["checkpoint-11"])
    let newest = try #require(try checkpoints.newest())
    #expect(newest.epoch == 11)
    #expect(newest.results == results(11))
    #expect(newest.artifacts.map(\.name) == ["state"])
    #expect(String(decoding: newest.artifacts[0].bytes, as: UTF8.self) == "state 11")
    try checkpoints.removeAll()
    #expect(try entries.isEmpty)
  }

  @Test func keepsTheOldOneWhenTheNewOneFails() throws {
    struct Failure: Error {}
    try write(1)
    #expect(throws: Failure.self) {
      try checkpoints.write(epoch: 2, results: results(2)) { writer in
        try Array("half".utf8).withUnsafeBytes { try writer("state", $0) }
        throw Failure()
      }
    }
    #expect(try entries == ["checkpoint-1"])
    #expect(try checkpoints.newest()?.epoch == 1)
  }

  @Test func chosesTheNewestOfTwo() throws {
    // A worker that was killed between writing one and removing the other leaves both.
    try write(9)
    try FileManager.default.copyItem(
      atPath: temporary.path + "/job/checkpoint-9", toPath: temporary.path + "/copy")
    try write(10)
    try FileManager.default.moveItem(
      atPath: temporary.path + "/copy", toPath: temporary.path + "/job/checkpoint-9")
    #expect(try checkpoints.newest()?.epoch == 10)
    try write(11)
    #expect(try entries == ["checkpoint-11"])
  }

  @Test func sweepsWhatIsUnfinished() throws {
    try write(1)
    _ = try directory.makeDirectory(ResourceName.random(prefix: "unfinished-"))
    _ = try CheckpointDirectory(directory)
    #expect(try entries == ["checkpoint-1"])
  }

  @Test(arguments: ["../escape", "a/b", "", "massif-results.pb"])
  func refusesNamesOfPlugins(_ name: String) {
    #expect(throws: PluginError.self) {
      try checkpoints.write(epoch: 1, results: []) { writer in
        try Array("x".utf8).withUnsafeBytes { try writer(name, $0) }
      }
    }
  }
}
