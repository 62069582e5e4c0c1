// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import Testing

/// Reinforcement learning over the RPC: built-in environments, the caller's in Swift and in Python.
@Suite(.serialized) struct ReinforcementTests {
  private struct Family: Sendable {
    var plugin: String
    var configuration: String
    var datatype: String
    var observations: String
    var actionCount: Int
  }

  private static let families = [
    Family(
      plugin: "q-learning",
      configuration: """
        {"environment": {"type": "cliff_walking"}, "learning_rate": 0.5, "discount": 1,
         "exploration": {"initial": 0, "final": 0}, "epochs": 3, "episodes_per_epoch": 200}
        """, datatype: "INT64", observations: "[[36], [24], [35]]", actionCount: 4),
    Family(
      plugin: "sarsa",
      configuration: """
        {"environment": {"type": "cliff_walking"}, "learning_rate": 0.5, "discount": 1,
         "exploration": {"initial": 0, "final": 0}, "epochs": 3, "episodes_per_epoch": 200}
        """, datatype: "INT64", observations: "[[36], [24], [35]]", actionCount: 4),
    Family(
      plugin: "dqn",
      configuration: """
        {"environment": {"type": "cart_pole"}, "network": {"hidden": [16]}, "batch_size": 16,
         "learning_starts": 64, "epochs": 2, "steps_per_epoch": 200, "evaluation_episodes": 2}
        """, datatype: "FP32", observations: "[[0, 0, 0.1, 0], [0, 0, -0.1, 0], [0, 0, 0, 0]]",
      actionCount: 2),
  ]

  @Test func everyFamilyTrainsAndServes() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    for family in Self.families {
      let path = massif.directory.appending(path: "\(family.plugin).json")
      let specification =
        #"{"model": "\#(family.plugin)", "plugin": "\#(family.plugin)", "seed": 1, "#
        + #""configuration": \#(family.configuration)}"#
      try specification.write(to: path, atomically: true, encoding: .utf8)
      let submitted = try await massif.massifJSON(["train", path.path])
      let id = try #require(submitted["id"] as? String)
      let watched = try await massif.massif(["jobs", "watch", id])
      #expect(watched.status == 0, "\(watched.errors)")
      let job = try await massif.massifJSON(["jobs", "get", id])
      #expect(job["state"] as? String == "SUCCEEDED", "\(job)")
      _ = try await massif.massifJSON(["deploy", family.plugin])
      let answered = try await massif.python(
        "Tests/EndToEndTests/Python/agent.py",
        [
          "--model", family.plugin, "--datatype", family.datatype, "--observations",
          family.observations,
        ])
      #expect(answered.status == 0, "\(answered.errors)")
      let answer = try answered.json()
      let actions = try #require(answer["actions"] as? [Int])
      let values = try #require(answer["q_values"] as? [[Double]])
      #expect(actions.count == 3)
      #expect(values.allSatisfy { $0.count == family.actionCount })
      for (action, row) in zip(actions, values) { #expect(row[action] == row.max()) }
      if family.plugin != "dqn" { #expect(actions == [0, 1, 2]) }
    }
  }

  @Test func learnsInEnvironmentsOfTheSwiftClient() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let address = try #require(ServerAddress(massif.address))
    let client = try MassifClient(
      addresses: [address],
      credentials: Credentials(directory: massif.certificates.path, name: "alice"))
    defer { client.close() }
    var specification = TrainingSpecification()
    specification.model = "corridor"
    specification.plugin = "q-learning"
    specification.seed = 1
    specification.configuration = """
      {"environment": {"type": "remote", "count": 2, "actions": 2,
        "observation": {"type": "states", "count": 5}},
       "learning_rate": 0.5, "epochs": 2, "episodes_per_epoch": 20}
      """
    let submitted = try await client.jobs.submit(specification)
    let job = try await client.environments.lend(
      [Corridor(), Corridor()],
      specification: EnvironmentSpecification(observation: .states(5), actions: 2),
      to: submitted.id)
    #expect(job.state == .succeeded, "\(job.error)")
    #expect(job.version == 1)
  }

  @Test func learnsInGymnasiumsEnvironmentsOverCutConnections() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let learn = {
      try await BuildProducts.runPython(
        "Examples/Clients/python/gymnasium_environments.py",
        [
          "--server", massif.address, "--certificates", massif.certificates.path, "--environment",
          "CliffWalking-v1", "--count", "2", "--model", "cliff", "--cut-after", "400", "--json",
          "--configuration",
          #"{"learning_rate": 0.5, "discount": 1, "epochs": 2, "episodes_per_epoch": 30, "#
            + #""exploration": {"initial": 0, "final": 0}}"#,
        ], python: ProcessInfo.processInfo.environment["MASSIF_TEST_GYMNASIUM"])
    }
    // Seen once in many runs: the client waits for ever after a cut, and is killed in the end. That
    // is no transition lost or doubled, which is what is looked for here; it has a second try.
    var result = try await learn()
    if result.status == 128 + SIGKILL { result = try await learn() }
    #expect(result.status == 0, "\(result.errors)")
    let report = try result.json()
    #expect(report["state"] as? String == "SUCCEEDED", "\(report)")
    #expect(report["resets"] as? Int == 60)
    #expect((report["repeated"] as? Int ?? 0) > 0, "\(report)")
  }

  @Test func aClientThatWasStartedAgainLendsNewEnvironments() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    func lend(_ arguments: [String]) async throws -> ProgramResult {
      try await BuildProducts.runPython(
        "Examples/Clients/python/gymnasium_environments.py",
        [
          "--server", massif.address, "--certificates", massif.certificates.path, "--environment",
          "CartPole-v1", "--count", "3", "--json",
        ] + arguments, python: ProcessInfo.processInfo.environment["MASSIF_TEST_GYMNASIUM"])
    }
    let left = try await lend([
      "--plugin", "dqn", "--model", "pole", "--leave-after", "60", "--configuration",
      #"{"network": {"hidden": [16]}, "batch_size": 16, "learning_starts": 64, "epochs": 2, "#
        + #""steps_per_epoch": 240}"#,
    ])
    #expect(left.status == 130, "\(left.errors)")
    let words = left.errors.split(whereSeparator: \.isWhitespace)
    let id = try #require(words.first { $0.hasPrefix("job-") })
    let result = try await lend(["--job", String(id)])
    #expect(result.status == 0, "\(result.errors)")
    let report = try result.json()
    #expect(report["state"] as? String == "SUCCEEDED", "\(report)")
    // Of 480 steps in all, the first client made some; the one that it lost is not made up for.
    let steps = try #require(report["steps"] as? Int)
    #expect(steps > 240 && steps < 480, "\(report)")
  }

  @Test func aServerThatWasStartedAgainGoesOnWithItsClient() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let port = try #require(massif.address.split(separator: ":").last)
    let client = try MassifClient(
      addresses: [try #require(ServerAddress(massif.address))],
      credentials: Credentials(directory: massif.certificates.path, name: "alice"))
    defer { client.close() }
    var specification = TrainingSpecification()
    specification.model = "corridor"
    specification.plugin = "sarsa"
    specification.seed = 1
    specification.configuration = """
      {"environment": {"type": "remote", "actions": 2,
        "observation": {"type": "states", "count": 5}},
       "learning_rate": 0.5, "epochs": 3, "episodes_per_epoch": 20}
      """
    let submitted = try await client.jobs.submit(specification)
    let (reached, signal) = AsyncStream<Void>.makeStream()
    let lending = Task {
      try await client.environments.lend(
        [Corridor(signal: signal, signalAfter: 25)],
        specification: EnvironmentSpecification(observation: .states(5), actions: 2),
        to: submitted.id)
    }
    // In the second epoch the server is killed.
    for await _ in reached { break }
    massif.crash()
    try await massif.restart(serveArguments: ["--listen", "127.0.0.1:\(port)"])
    let job = try await lending.value
    #expect(job.state == .succeeded, "\(job.error)")
    #expect(job.epochs.count == 3)
  }
}

/// Five places in a row, with a reward at the right end.
private struct Corridor: Environment {
  private var place = 0
  private var episodeCount = 0
  private let signal: AsyncStream<Void>.Continuation?
  private let signalAfter: Int

  /// - Parameter signalAfter: the number of the episode whose beginning is told.
  init(signal: AsyncStream<Void>.Continuation? = nil, signalAfter: Int = 0) {
    self.signal = signal
    self.signalAfter = signalAfter
  }

  mutating func reset(seed: UInt64?) async throws -> EnvironmentObservation {
    episodeCount += 1
    if episodeCount == signalAfter { signal?.yield() }
    place = 0
    return .state(place)
  }

  mutating func step(_ action: Int) async throws -> EnvironmentStep {
    place = action == 1 ? place + 1 : max(0, place - 1)
    return EnvironmentStep(
      observation: .state(place), reward: place == 4 ? 1 : 0, terminated: place == 4)
  }
}
