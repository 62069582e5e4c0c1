// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import SwiftProtobuf
import Testing

@testable import MassifClient

@Suite struct EnvironmentLenderTests {
  private static func command(
    _ number: UInt64, _ action: UInt32? = nil, environment: UInt32 = 0
  ) -> Massif_V1_EnvironmentCommand {
    .with {
      $0.environment = environment
      $0.number = number
      if let action { $0.action = action } else { $0.reset = .init() }
    }
  }

  private static func lender() -> EnvironmentLender {
    var lender = EnvironmentLender([Adder(), Adder()])
    lender.begin(session: "job-1")
    return lender
  }

  @Test func aCommandThatIsToldAgainIsCarriedOutOnce() async throws {
    var lender = Self.lender()
    _ = try await lender.perform([Self.command(1)])
    let first = try await lender.perform([Self.command(2, 5)])
    lender.begin(session: "job-1")
    let again = try await lender.perform([Self.command(2, 5)])
    #expect(first == again)
    #expect(first[0].state == 5)
    let next = try await lender.perform([Self.command(3, 1)])
    #expect(next[0].state == 6 && next[0].command == 3)
  }

  @Test func anotherSessionBeginsAnew() async throws {
    var lender = Self.lender()
    _ = try await lender.perform([Self.command(1)])
    _ = try await lender.perform([Self.command(2, 5)])
    lender.begin(session: "job-2")
    let results = try await lender.perform([Self.command(1)])
    #expect(results[0].state == 0 && results[0].command == 1)
  }

  @Test func aCommandOutOfItsTurnIsNotCarriedOut() async throws {
    var lender = Self.lender()
    _ = try await lender.perform([Self.command(1)])
    await #expect(throws: MassifError.self) {
      _ = try await lender.perform([Self.command(3, 1)])
    }
    await #expect(throws: MassifError.self) {
      _ = try await lender.perform([Self.command(1, environment: 2)])
    }
    // The other environment counts for itself.
    let other = try await lender.perform([Self.command(1, environment: 1)])
    #expect(other[0].environment == 1)
  }

  @Test func anErrorOfTheEnvironmentIsTold() async throws {
    var lender = Self.lender()
    _ = try await lender.perform([Self.command(1)])
    let results = try await lender.perform([Self.command(2, 99)])
    #expect(results[0].failure.contains("tooMuch"))
  }
}

/// Adds up its actions.
private struct Adder: Environment {
  enum Failure: Error { case tooMuch }

  private var sum = 0

  mutating func reset(seed: UInt64?) async throws -> EnvironmentObservation {
    sum = 0
    return .state(sum)
  }

  mutating func step(_ action: Int) async throws -> EnvironmentStep {
    sum += action
    if sum > 50 { throw Failure.tooMuch }
    return EnvironmentStep(observation: .state(sum), reward: 0)
  }
}
