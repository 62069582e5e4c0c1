// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct EnvironmentMailboxTests {
  private static let demand = EnvironmentDemand(
    specification: EnvironmentSpecification(
      observation: .states(4), actionCount: 2, count: 2),
    answerLimit: .seconds(60), attachLimit: .seconds(60))

  private static let commands = (0..<2).map { environment in
    Massif_V1_EnvironmentCommand.with {
      $0.environment = UInt32(environment)
      $0.number = 1
    }
  }

  private static func result(_ environment: UInt32) -> Massif_V1_EnvironmentResult {
    .with {
      $0.environment = environment
      $0.command = 1
      $0.state = environment
    }
  }

  @Test func resultsComeInTheOrderOfTheCommands() throws {
    let mailbox = EnvironmentMailbox()
    mailbox.deliver([Self.result(1)])
    mailbox.deliver([Self.result(0)])
    let answers = try mailbox.wait(for: Self.commands, Self.demand) {}
    #expect(answers?.map(\.environment) == [0, 1])
  }

  @Test func whoWaitsIsRemindedUntilAllHaveAnswered() throws {
    let mailbox = EnvironmentMailbox(reminder: .milliseconds(1))
    var reminders = 0
    let answers = try mailbox.wait(for: Self.commands, Self.demand) {
      if reminders < 2 { mailbox.deliver([Self.result(UInt32(reminders))]) }
      reminders += 1
    }
    #expect(answers?.count == 2)
    #expect(reminders == 2)
  }

  @Test func answersOfEnvironmentsThatWereReplacedAreNobodys() throws {
    let mailbox = EnvironmentMailbox()
    mailbox.deliver([Self.result(0), Self.result(1)])
    mailbox.setAttached(true, areReplaced: true)
    #expect(try mailbox.wait(for: Self.commands, Self.demand) {} == nil)
    mailbox.deliver([Self.result(0), Self.result(1)])
    #expect(try mailbox.wait(for: Self.commands, Self.demand) {}?.count == 2)
  }

  @Test func aTrainingThatIsToStopWaitsForNobody() {
    let mailbox = EnvironmentMailbox()
    mailbox.stop()
    #expect { try mailbox.wait(for: Self.commands, Self.demand) {} } throws: {
      ($0 as? PluginError)?.code == .cancelled
    }
  }
}
