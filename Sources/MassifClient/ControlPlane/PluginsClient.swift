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
  public func register(
    file path: String, signedManifest: [UInt8] = [], isolation: PluginIsolation = .inProcess,
    deadline: ContinuousClock.Instant? = nil
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

  /// One plugin with the schema of its configuration.
  public func describe(
    _ name: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Plugin {
    try await caller.unary(
      Self.service + "DescribePlugin", Massif_V1_DescribePluginRequest.with { $0.name = name },
      Plugin.self, isRepeatable: true, deadline: deadline)
  }
}
