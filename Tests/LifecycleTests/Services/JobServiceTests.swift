// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct JobServiceTests {
  /// Nothing is trained here.
  private func fixture() async throws -> ControlPlaneFixture {
    let fixture = try ControlPlaneFixture(launcher: GatedLauncher())
    try await fixture.upload(TestData.file())
    return fixture
  }

  @Test func namesTheFieldThatIsWrong() async throws {
    let fixture = try await fixture()
    let cases:
      [(field: String, change: @Sendable (inout Massif_V1_TrainingSpecification) -> Void)] = [
        ("specification.model", { $0.model = "../x" }),
        ("specification.model", { $0.model = "" }),
        ("specification.dataset", { $0.dataset = "a/b/c" }),
        ("specification.plugin", { $0.plugin = "neural network" }),
        ("specification.threads", { $0.threads = 1025 }),
        ("specification.configuration", { $0.configuration = "not JSON" }),
        (
          "specification.configuration.layers[1].units",
          {
            $0.configuration = $0.configuration.replacing(
              "\"units\":8", with: "\"units\":-8")
          }
        ),
      ]
    for (field, change) in cases {
      let error = await failure { try await fixture.submit { change(&$0.specification) } }
      #expect(error?.code == .invalidArgument, "\(field)")
      #expect(error?.fields == [field])
      #expect(error?.message.hasPrefix(field) == true)
    }
    let empty = await failure { try await fixture.submit { $0.clearSpecification() } }
    #expect(empty?.fields == ["specification"])
    let id = await failure { try await fixture.submit { $0.requestID = "a b" } }
    #expect(id?.fields == ["request_id"])
    #expect(try fixture.store.unendedJobs().isEmpty)
  }

  @Test func refusesWhatDoesNotFitTheData() async throws {
    let fixture = try await fixture()
    let error = await failure {
      try await fixture.submit {
        $0.specification.configuration = $0.specification.configuration.replacing(
          "{\"type\":\"flatten\"}",
          with: "{\"type\":\"conv2d\",\"filters\":2,\"kernel\":9},{\"type\":\"flatten\"}")
      }
    }
    #expect(error?.code == .invalidArgument)
    #expect(
      error?.fields.first?.hasPrefix("specification.configuration.layers[0]") == true,
      "\(String(describing: error))")
  }

  @Test func refusesWhatIsNotThere() async throws {
    let fixture = try await fixture()
    let dataset = await failure { try await fixture.submit { $0.specification.dataset = "x" } }
    #expect(dataset?.code == .notFound)
    let plugin = await failure { try await fixture.submit { $0.specification.plugin = "x" } }
    #expect(plugin?.code == .notFound)
    let others = await failure { try await fixture.submit { $0.specification.model = "nlp/m" } }
    #expect(others?.code == .notFound)
    let theirs = await failure {
      try await fixture.submit({ $0.specification.dataset = "vision/squares" }, team: "nlp")
    }
    #expect(theirs?.code == .notFound)
  }

  @Test func aDataSetIsThereExactlyWhereThePluginTrainsOnOne() async throws {
    let fixture = try await fixture()
    let without = await failure { try await fixture.submit { $0.specification.dataset = "" } }
    #expect(without?.fields == ["specification.dataset"])
    let unwanted = await failure {
      try await fixture.submit {
        $0.specification.plugin = "q-learning"
        $0.specification.configuration = #"{"environment": {"type": "taxi"}}"#
      }
    }
    #expect(unwanted?.fields == ["specification.dataset"])
  }

  @Test func trainsInAnEnvironmentWithoutADataSet() async throws {
    let fixture = try ControlPlaneFixture()
    let submitted = try await fixture.submit {
      $0.specification.dataset = ""
      $0.specification.plugin = "q-learning"
      $0.specification.configuration = """
        {"environment": {"type": "frozen_lake", "slippery": false}, "epochs": 2,
         "episodes_per_epoch": 100, "evaluation_episodes": 5}
        """
    }
    #expect(submitted.specification.dataset.isEmpty)
    let job = try await fixture.end(of: submitted.id)
    #expect(job.state == .succeeded, "\(job.error)")
    #expect(job.epochs.count == 2)
    #expect(job.epochs.allSatisfy { $0.metrics.contains { $0.name == "test_mean_return" } })
    let name = try QualifiedName(parsing: "vision/squares-net", defaultTeam: nil)
    let newest = try fixture.store.newestVersion(of: name)
    let version = try #require(newest)
    #expect(version.manifest.dataset == nil && version.manifest.datasetDigest == nil)
    #expect(version.manifest.inputs.map(\.name) == ["observation"])
    #expect(version.manifest.artifacts.map(\.name.description).contains("report.txt"))
  }

  @Test func boundsMemoryBeforeItIsTaken() async throws {
    let fixture = try ControlPlaneFixture(launcher: GatedLauncher()) {
      $0.maxTrainingByteCount = 1 << 20
    }
    try await fixture.upload(TestData.file())
    let error = await failure {
      try await fixture.submit {
        $0.specification.configuration = $0.specification.configuration.replacing(
          "\"units\":8", with: "\"units\":60000")
      }
    }
    #expect(error?.code == .resourceExhausted)
    _ = try await fixture.submit()
  }

  @Test func submitsARequestOnce() async throws {
    let fixture = try await fixture()
    let first = try await fixture.submit { $0.requestID = "request-1" }
    let second = try await fixture.submit { $0.requestID = "request-1" }
    #expect(first.id == second.id)
    let other = await failure {
      try await fixture.submit {
        $0.requestID = "request-1"
        $0.specification.seed = 43
      }
    }
    #expect(other?.code == .alreadyExists)
    #expect(try fixture.store.unendedJobs().count == 1)
  }

  @Test func repeatsARequestEvenWhenTheQueueIsFull() async throws {
    let fixture = try ControlPlaneFixture(launcher: GatedLauncher()) {
      $0.maxWorkers = 0
      $0.maxQueuedJobs = 1
    }
    try await fixture.upload(TestData.file())
    let first = try await fixture.submit { $0.requestID = "request-1" }
    #expect(await failure { try await fixture.submit() }?.code == .resourceExhausted)
    #expect(try await fixture.submit { $0.requestID = "request-1" }.id == first.id)
  }

  @Test func listsNewestFirst() async throws {
    let fixture = try await fixture()
    var ids: [String] = []
    for _ in 0..<3 { ids.append(try await fixture.submit().id) }
    let first = try await fixture.jobs.list(
      .with { $0.page.pageSize = 2 }, ControlPlaneFixture.context())
    #expect(first.jobs.map(\.id) == [ids[2], ids[1]])
    let rest = try await fixture.jobs.list(
      .with {
        $0.page.pageSize = 2
        $0.page.pageToken = first.nextPageToken
      }, ControlPlaneFixture.context())
    #expect(rest.jobs.map(\.id) == [ids[0]])
    #expect(rest.nextPageToken.isEmpty)
    let token = await failure {
      try await fixture.jobs.list(
        .with { $0.page.pageToken = "x" }, ControlPlaneFixture.context())
    }
    #expect(token?.code == .invalidArgument)
  }

  @Test func tellsOtherTeamsNothing() async throws {
    let fixture = try await fixture()
    let job = try await fixture.submit()
    let context = try ControlPlaneFixture.context(team: "nlp")
    let unknown = await failure {
      try await fixture.jobs.get(.with { $0.id = "job-unknown" }, context)
    }
    let failures = [
      await failure { try await fixture.jobs.get(.with { $0.id = job.id }, context) },
      await failure { try await fixture.jobs.cancel(.with { $0.id = job.id }, context) },
      await failure {
        try await fixture.jobs.watch(.with { $0.id = job.id }, context) { _ in }
      },
    ]
    for error in failures {
      #expect(error?.code == .notFound)
      #expect(error?.message == unknown?.message.replacing("job-unknown", with: job.id))
      #expect(error?.details.count == unknown?.details.count)
    }
    #expect(try await fixture.jobs.list(.init(), context).jobs.isEmpty)
    let admin = try ControlPlaneFixture.context(team: "admins")
    #expect(try await fixture.jobs.get(.with { $0.id = job.id }, admin).id == job.id)
  }

  @Test func endsWatchesWhenItStops() async throws {
    let fixture = try ControlPlaneFixture { $0.maxWorkers = 0 }
    try await fixture.upload(TestData.file())
    let job = try await fixture.submit()
    let error = await failure {
      try await fixture.jobs.watch(.with { $0.id = job.id }, ControlPlaneFixture.context()) {
        event in
        #expect(event.job.state == .queued)
        await fixture.controlPlane.shutdown(grace: .seconds(5))
      }
    }
    #expect(error?.code == .unavailable)
    #expect(await failure { try await fixture.submit() }?.code == .unavailable)
  }
}
