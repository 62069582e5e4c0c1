// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import RPCServer
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct EnvironmentLedgerTests {
  private static func command(
    _ environment: UInt32, _ number: UInt64
  ) -> Massif_V1_EnvironmentCommand {
    .with {
      $0.environment = environment
      $0.number = number
      $0.action = 1
    }
  }

  private static func result(
    _ environment: UInt32, _ command: UInt64,
    _ fill: (inout Massif_V1_EnvironmentResult) -> Void = { $0.state = 0 }
  ) -> Massif_V1_EnvironmentResult {
    .with {
      $0.environment = environment
      $0.command = command
      fill(&$0)
    }
  }

  private static func ledger(
    _ observation: EnvironmentSpecification.Observation = .states(4)
  ) throws -> EnvironmentLedger {
    var ledger = EnvironmentLedger(
      EnvironmentSpecification(observation: observation, actionCount: 2, count: 2))
    try ledger.issue([command(0, 1), command(1, 1)])
    return ledger
  }

  private static func refusal(
    _ ledger: EnvironmentLedger, _ results: [Massif_V1_EnvironmentResult]
  ) -> [String]? {
    var ledger = ledger
    do throws(RPCError) {
      try ledger.accept(results)
      return nil
    } catch {
      return error.fields
    }
  }

  @Test func whatIsNotAnsweredIsToldAgain() throws {
    var ledger = try Self.ledger()
    #expect(ledger.unanswered.map(\.environment) == [0, 1])
    try ledger.accept([Self.result(1, 1)])
    #expect(ledger.unanswered.map(\.environment) == [0])
    try ledger.accept([Self.result(0, 1)])
    #expect(ledger.unanswered.isEmpty)
    try ledger.issue([Self.command(0, 2)])
    #expect(ledger.unanswered.map(\.number) == [2])
  }

  @Test func aCommandWaitsForItsTurn() throws {
    var ledger = try Self.ledger()
    #expect(throws: LifecycleError.self) { try ledger.issue([Self.command(0, 2)]) }
    try ledger.accept([Self.result(0, 1)])
    #expect(throws: LifecycleError.self) { try ledger.issue([Self.command(0, 3)]) }
    #expect(throws: LifecycleError.self) { try ledger.issue([Self.command(7, 1)]) }
  }

  @Test func anAnswerIsTakenOnce() throws {
    var ledger = try Self.ledger()
    let twice = [Self.result(0, 1), Self.result(0, 1)]
    #expect(Self.refusal(ledger, twice) == ["results.results[1].command"])
    // Nothing of a refused message was taken.
    #expect(ledger.unanswered.count == 2)
    try ledger.accept([Self.result(0, 1)])
    #expect(Self.refusal(ledger, [Self.result(0, 1)]) == ["results.results[0].command"])
    try ledger.issue([Self.command(0, 2)])
    #expect(Self.refusal(ledger, [Self.result(0, 1)]) == ["results.results[0].command"])
    #expect(Self.refusal(ledger, [Self.result(0, 3)]) == ["results.results[0].command"])
    #expect(Self.refusal(ledger, [Self.result(2, 1)]) == ["results.results[0].environment"])
  }

  @Test func statesAreInTheirRange() throws {
    let ledger = try Self.ledger()
    #expect(Self.refusal(ledger, [Self.result(0, 1) { $0.state = 3 }]) == nil)
    #expect(
      Self.refusal(ledger, [Self.result(0, 1) { $0.state = 4 }]) == ["results.results[0].state"])
    #expect(
      Self.refusal(ledger, [Self.result(0, 1) { $0.box = Data(count: 4) }])
        == ["results.results[0].state"])
    #expect(
      Self.refusal(
        ledger,
        [
          Self.result(0, 1) {
            $0.state = 0
            $0.reward = .nan
          }
        ]) == ["results.results[0].reward"])
  }

  @Test func boxesHaveTheirShapeAndFiniteNumbers() throws {
    let ledger = try Self.ledger(.box([2, 1]))
    func box(_ elements: [Float]) -> Massif_V1_EnvironmentResult {
      Self.result(0, 1) { $0.box = elements.withUnsafeBytes { Data($0) } }
    }
    #expect(Self.refusal(ledger, [box([1, 2])]) == nil)
    #expect(Self.refusal(ledger, [box([1, 2, 3])]) == ["results.results[0].box"])
    #expect(Self.refusal(ledger, [box([1, .infinity])]) == ["results.results[0].box"])
    #expect(
      Self.refusal(ledger, [Self.result(0, 1) { $0.state = 0 }]) == ["results.results[0].box"])
  }
}
