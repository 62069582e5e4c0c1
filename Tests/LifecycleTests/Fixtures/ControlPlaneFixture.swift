// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import Runtime
import Store
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

@testable import Lifecycle

/// A control plane over a store of its own, with the real neural-network plugin, and workers that
/// are threads of this process.
final class ControlPlaneFixture: Sendable {
  let directory: TemporaryDirectory
  let store: Store
  let registry: PluginRegistry
  let server = FakeModelServer()
  let controlPlane: ControlPlane

  static let access = TeamAccessPolicy(trustDomain: "massif.test", administratorTeams: ["admins"])
  static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  /// - Parameter directory: of an earlier fixture, whose store is closed, to go on with.
  init(
    directory: TemporaryDirectory? = nil, launcher: any WorkerLauncher = ThreadLauncher(),
    log: Logger = quiet, _ configure: (inout LifecycleConfiguration) -> Void = { _ in }
  ) throws {
    self.directory = try directory ?? TemporaryDirectory()
    store = try Store.open(directory: self.directory.path + "/store")
    registry = PluginRegistry(workers: try WorkerPool(threadCount: 1)) { _, _ in }
    try registry.registerBuiltIns()
    var configuration = LifecycleConfiguration()
    configuration.defaultThreads = 1
    configure(&configuration)
    controlPlane = ControlPlane(
      configuration: configuration, store: store, plugins: registry, server: server,
      launcher: launcher, log: log, now: { Date() })
  }

  var jobs: JobService { controlPlane.jobService }

  /// The context of a call by a member of a team.
  static func context(team: String = "vision") throws -> CallContext {
    CallContext(
      principal: try Principal(trustDomain: "massif.test", team: team, name: "ann"),
      method: "/massif.v1.Test/Test", access: access)
  }

  /// Uploads `file` in pieces, as a client does.
  @discardableResult
  func upload(
    _ file: [UInt8], as name: String = "squares", team: String = "vision",
    announcing digest: Digest? = nil, byteCount: Int? = nil
  ) async throws -> Massif_V1_DataSet {
    var requests: [Massif_V1_UploadDataSetRequest] = [
      .with {
        $0.header.name = name
        $0.header.byteCount = UInt64(byteCount ?? file.count)
        $0.header.sha256 = TestData.sha256(file, digest)
      }
    ]
    for start in stride(from: 0, to: file.count, by: 1000) {
      requests.append(.with { $0.chunk = Data(file[start..<min(start + 1000, file.count)]) })
    }
    return try await upload(requests, team: team)
  }

  func upload(
    _ requests: [Massif_V1_UploadDataSetRequest], team: String = "vision"
  ) async throws -> Massif_V1_DataSet {
    try await translatingErrors {
      try await controlPlane.datasets.upload(Replay(requests), Self.context(team: team))
    }
  }

  /// Submits a training of the tiny network.
  func submit(
    _ change: (inout Massif_V1_SubmitJobRequest) -> Void = { _ in }, team: String = "vision"
  ) async throws -> Massif_V1_Job {
    var request = Massif_V1_SubmitJobRequest.with {
      $0.specification = .with {
        $0.model = "squares-net"
        $0.dataset = "squares"
        $0.plugin = "neural-network"
        $0.configuration = TestData.configuration(epochs: 3)
        $0.seed = 42
      }
    }
    change(&request)
    return try await translatingErrors {
      try await jobs.submit(request, Self.context(team: team))
    }
  }

  /// Watches a job until `condition` holds for what is seen of it.
  func watch(
    _ id: String, until condition: @escaping @Sendable (Massif_V1_Job) -> Bool
  ) async throws -> Massif_V1_Job {
    try await within(.seconds(60)) { [jobs] in
      let found = Recorder<Massif_V1_Job>()
      struct Found: Error {}
      do {
        try await jobs.watch(.with { $0.id = id }, Self.context()) { event in
          guard condition(event.job) else { return }
          found.record(event.job)
          throw Found()
        }
      } catch is Found {}
      return try #require(found.events.first)
    }
  }

  /// Watches a job to its end.
  func end(of id: String) async throws -> Massif_V1_Job {
    try await watch(id) {
      [.succeeded, .failed, .cancelled].contains($0.state)
    }
  }

  /// Ends as a server does, so that another fixture can go on with the directory.
  func stop() async throws {
    await controlPlane.shutdown(grace: .seconds(20))
    try store.close()
  }
}

/// Messages that were all sent before.
struct Replay<Element: Sendable>: AsyncSequence {
  let elements: [Element]

  init(_ elements: [Element]) { self.elements = elements }

  struct Iterator: AsyncIteratorProtocol {
    var rest: ArraySlice<Element>
    mutating func next() async throws -> Element? { rest.popFirst() }
  }

  func makeAsyncIterator() -> Iterator { Iterator(rest: elements[...]) }
}

/// Runs a call and returns the status that its caller would see.
func failure(_ body: () async throws -> some Any) async -> RPCError? {
  do {
    _ = try await translatingErrors(body)
    return nil
  } catch {
    return error
  }
}

extension RPCError {
  /// The fields of its violations.
  var fields: [String] {
    details.flatMap { detail in
      if case .badRequest(let violations) = detail { return violations.map(\.field) }
      return []
    }
  }
}
