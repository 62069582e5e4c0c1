// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

@Suite struct MessageChannelTests {
  private func log(_ text: String) -> Massif_V1_Worker_Event {
    .with { $0.log.message = text }
  }

  @Test func carriesMessagesInOrder() throws {
    let (one, other) = try MessageChannel.makePair()
    let sender = MessageChannel(descriptor: one)
    let receiver = MessageChannel(descriptor: other)
    let long = String(repeating: "x", count: 50_000)
    for text in ["a", "", long] { #expect(sender.send(log(text))) }
    for text in ["a", "", long] {
      #expect(try receiver.receive(Massif_V1_Worker_Event.self) == log(text))
    }
    sender.disconnect()
    #expect(try receiver.receive(Massif_V1_Worker_Event.self) == nil)
    #expect(!receiver.send(log("nobody listens")))
  }

  @Test func doesNotMixTheMessagesOfThreads() async throws {
    let (one, other) = try MessageChannel.makePair()
    let sender = MessageChannel(descriptor: one)
    let receiver = MessageChannel(descriptor: other)
    let texts = (0..<8).map { String(repeating: "\($0)", count: 40_000) }
    for text in texts {
      let message = log(text)
      Thread.detachNewThread { sender.send(message) }
    }
    var received: Set<String> = []
    for _ in texts {
      received.insert(try #require(try receiver.receive(Massif_V1_Worker_Event.self)).log.message)
    }
    #expect(received == Set(texts))
  }

  @Test(
    arguments: [
      [0x7f, 0xff, 0xff, 0xff],  // a length of 2 GiB
      [0, 0, 0, 3, 0xff, 0xff, 0xff],  // no message
    ] as [[UInt8]])
  func refusesNonsense(_ bytes: [UInt8]) throws {
    let (one, other) = try MessageChannel.makePair()
    let receiver = MessageChannel(descriptor: other)
    defer { close(one) }
    #expect(write(one, bytes, bytes.count) == bytes.count)
    let error = #expect(throws: LifecycleError.self) {
      try receiver.receive(Massif_V1_Worker_Event.self)
    }
    #expect(error?.code == .protocolViolation)
  }

  @Test(arguments: [[0, 0], [0, 0, 0, 5, 1, 2]] as [[UInt8]])
  func endsWithAnUnfinishedMessage(_ bytes: [UInt8]) throws {
    let (one, other) = try MessageChannel.makePair()
    let receiver = MessageChannel(descriptor: other)
    #expect(write(one, bytes, bytes.count) == bytes.count)
    close(one)
    #expect(try receiver.receive(Massif_V1_Worker_Event.self) == nil)
  }
}
