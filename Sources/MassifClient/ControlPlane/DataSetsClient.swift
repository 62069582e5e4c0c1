// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
public import MassifAPI
internal import SwiftProtobuf
internal import RPCTransport

/// Data sets (`massif.v1.DataSets`).
///
/// Names are `team/name`, or `name` of the caller's own team.
public struct DataSetsClient: Sendable {
  private static let service = "/massif.v1.DataSets/"
  let caller: Caller

  /// Uploads a safetensors file with tensors `<split>/<role>` as a data set.
  ///
  /// The file is read twice: for its digest, and to send it. The server refuses other bytes than
  /// those, and what is content-addressed may be sent twice, so the upload is made again when the
  /// server is lost under it.
  ///
  /// - Parameter progress: called in order, from any thread; starts again with an attempt.
  public func upload(
    _ name: String, file path: String, deadline: ContinuousClock.Instant? = nil,
    progress: @escaping @Sendable (UploadProgress) -> Void = { _ in }
  ) async throws(MassifError) -> DataSet {
    let file = try UploadFile(path: path)
    let head = caller.head(Self.service + "UploadDataSet", deadline, hasTimeout: false)
    let answer = try await caller.runner.run(deadline: head.deadline, isRepeatable: true) {
      (connection) async throws(CallFailure) in
      try await connection.clientStreaming(head) { send in
        try await send(
          Caller.encode(
            Massif_V1_UploadDataSetRequest.with {
              $0.header.name = name
              $0.header.byteCount = file.byteCount
              $0.header.sha256 = Data(file.sha256)
            }))
        var sent: UInt64 = 0
        try await file.forEachChunk { chunk in
          sent += UInt64(chunk.count)
          try await send(
            Caller.encode(Massif_V1_UploadDataSetRequest.with { $0.chunk = Data(chunk) }))
          progress(UploadProgress(sent: sent, total: file.byteCount))
        }
      }
    }
    return try Caller.decode(answer)
  }

  /// Uploads bytes that come in pieces, of known length and digest.
  ///
  /// Not repeated: the pieces are there once.
  ///
  /// - Parameter sha256: 32 bytes, of the whole file.
  public func upload<Chunks: AsyncSequence & Sendable>(
    _ name: String, chunks: Chunks, byteCount: UInt64, sha256: [UInt8],
    deadline: ContinuousClock.Instant? = nil,
    progress: @escaping @Sendable (UploadProgress) -> Void = { _ in }
  ) async throws(MassifError) -> DataSet where Chunks.Element == [UInt8] {
    let head = caller.head(Self.service + "UploadDataSet", deadline, hasTimeout: false)
    let connection: any Connection
    let answer: ReceivedMessage
    do throws(CallFailure) {
      connection = try await caller.runner.channel.connection(deadline: head.deadline)
      answer = try await connection.clientStreaming(head) { send in
        try await send(
          Caller.encode(
            Massif_V1_UploadDataSetRequest.with {
              $0.header.name = name
              $0.header.byteCount = byteCount
              $0.header.sha256 = Data(sha256)
            }))
        var sent: UInt64 = 0
        for try await piece in chunks {
          for chunk in UploadFile.chunks(piece) {
            sent += UInt64(chunk.count)
            try await send(
              Caller.encode(Massif_V1_UploadDataSetRequest.with { $0.chunk = Data(chunk) }))
          }
          progress(UploadProgress(sent: sent, total: byteCount))
        }
      }
    } catch {
      throw error.error
    }
    return try Caller.decode(answer)
  }

  /// All data sets of a team; empty means the caller's.
  public func list(
    team: String = "", deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> [DataSet] {
    try await caller.pages(
      { (token) async throws(MassifError) in
        try await caller.unary(
          Self.service + "ListDataSets",
          Massif_V1_ListDataSetsRequest.with {
            $0.team = team
            $0.page.pageToken = token
          }, Massif_V1_ListDataSetsResponse.self, isRepeatable: true, deadline: deadline)
      }, \.datasets, next: \.nextPageToken)
  }

  /// One data set: its tensors, digest and metadata.
  public func get(
    _ name: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> DataSet {
    try await caller.unary(
      Self.service + "GetDataSet", Massif_V1_GetDataSetRequest.with { $0.name = name },
      DataSet.self, isRepeatable: true, deadline: deadline)
  }
}
