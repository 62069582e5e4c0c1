// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
public import MassifAPI
internal import SwiftProtobuf
internal import RPCTransport

/// Model plugins (`massif.v1.Plugins`).
public struct PluginsClient: Sendable {
  private static let service = "/massif.v1.Plugins/"
  let caller: Caller

  /// Sends a shared object in and has it loaded; for administrators.
  ///
  /// The same bytes may be sent again.
  ///
  /// - Parameters:
  ///   - signedManifest: what `massif plugins sign` wrote; empty for a server that is for development.
  ///   - isolation: where its code runs.
  ///   - golden: replayed on it before it is registered, and kept for later builds.
  public func register(
    file path: String, signedManifest: [UInt8] = [], isolation: PluginIsolation = .inProcess,
    golden: [GoldenCase] = [], deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Plugin {
    let file = try UploadFile(path: path)
    let head = caller.head(Self.service + "RegisterPlugin", deadline, hasTimeout: false)
    let answer = try await caller.runner.run(deadline: head.deadline, isRepeatable: true) {
      (connection) async throws(CallFailure) in
      try await connection.clientStreaming(head) { send in
        try await send(
          Caller.encode(
            Massif_V1_RegisterPluginRequest.with {
              $0.header.byteCount = file.byteCount
              $0.header.sha256 = Data(file.sha256)
              $0.header.signedManifest = Data(signedManifest)
              $0.header.isolation = isolation
              $0.header.golden = golden
            }))
        try await file.forEachChunk { chunk in
          try await send(
            Caller.encode(Massif_V1_RegisterPluginRequest.with { $0.chunk = Data(chunk) }))
        }
      }
    }
    return try Caller.decode(answer)
  }

  /// All plugins, the built-in ones too.
  public func list(
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> [Plugin] {
    try await caller.pages(
      { (token) async throws(MassifError) in
        try await caller.unary(
          Self.service + "ListPlugins",
          Massif_V1_ListPluginsRequest.with { $0.page.pageToken = token },
          Massif_V1_ListPluginsResponse.self, isRepeatable: true, deadline: deadline)
      }, \.plugins, next: \.nextPageToken)
  }

  /// Has one build of a plugin serve what other builds of it do; for administrators.
  ///
  /// - Parameters:
  ///   - digest: of the build, or how it begins; empty for the newest.
  ///   - golden: replayed before anything moves, and kept for later builds.
  public func move(
    _ name: String, to digest: String = "", golden: [GoldenCase] = [],
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> PluginMove {
    try await caller.unary(
      Self.service + "MovePlugin",
      Massif_V1_MovePluginRequest.with {
        $0.name = name
        $0.digest = digest
        $0.golden = golden
      }, PluginMove.self, isRepeatable: true, deadline: deadline)
  }

  /// Forgets a build that nothing uses; for administrators.
  ///
  /// - Parameter digest: of the build, or how it begins; empty for the only one.
  public func retire(
    _ name: String, digest: String = "", deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Plugin {
    try await caller.unary(
      Self.service + "RetirePlugin",
      Massif_V1_RetirePluginRequest.with {
        $0.name = name
        $0.digest = digest
      }, Plugin.self, isRepeatable: false, deadline: deadline)
  }

  /// One plugin with the schema of its configuration.
  public func describe(
    _ name: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Plugin {
    try await caller.unary(
      Self.service + "DescribePlugin", Massif_V1_DescribePluginRequest.with { $0.name = name },
      Plugin.self, isRepeatable: true, deadline: deadline)
  }
}
