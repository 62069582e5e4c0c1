// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging
import MassifAPI
import RPCServer
import RPCTransport
import Runtime
import Store

/// `massif.v1.DataSets`: upload, list, get.
struct DataSetService: Sendable {
  let configuration: LifecycleConfiguration
  let store: Store
  let now: @Sendable () -> Date
  let log: Logger

  /// Adds the service's methods.
  func register(in router: inout Router) {
    router.register(
      clientStreaming: "/massif.v1.DataSets/UploadDataSet", requires: .write
    ) { (requests, context) in
      try await upload(requests, context)
    }
    router.register("/massif.v1.DataSets/ListDataSets", requires: .read) { try await list($0, $1) }
    router.register("/massif.v1.DataSets/GetDataSet", requires: .read) { try await get($0, $1) }
  }

  /// Takes a file in.
  ///
  /// It is visible when it is whole, checked and on disk.
  func upload<Requests: AsyncSequence>(
    _ requests: Requests, _ context: CallContext
  ) async throws -> Massif_V1_DataSet where Requests.Element == Massif_V1_UploadDataSetRequest {
    var iterator = requests.makeAsyncIterator()
    guard case .header(let header) = try await iterator.next()?.part else {
      throw UploadHeader.missing
    }
    let name = try context.qualifiedName(header.name, field: "header.name")
    try context.require(.write, "data set", name)
    let upload = try UploadHeader(
      byteCount: header.byteCount, sha256: header.sha256,
      limit: configuration.maxDataSetByteCount)
    if let present = try store.dataset(name), present.digest != upload.digest {
      throw RPCError(
        .alreadyExists,
        "data set \(name) exists with other content; data sets do not change: choose another name")
    }
    let writer = try store.datasets.makeWriter(
      expecting: upload.digest, byteCount: upload.byteCount)
    while let request = try await iterator.next() {
      guard case .chunk(let chunk) = request.part else { throw UploadHeader.repeated }
      try chunk.withUnsafeBytes { try writer.append($0) }
    }
    let record = try await offload { [store, now] in
      try writer.verify()
      let dataset = try Self.checked { try SafetensorsDataSet(file: writer.map()) }
      try writer.commit()
      return try store.insert(
        DataSetRecord(
          name: name, digest: upload.digest, byteCount: upload.byteCount, tensors: dataset.tensors,
          metadata: dataset.metadata,
          audit: AuditRecord(created: now(), createdBy: context.principal.spiffeID)))
    }
    log.info("data set \(name) of \(upload.byteCount) bytes, SHA-256 \(upload.digest)")
    return Massif_V1_DataSet(record)
  }

  /// A team's data sets, by name.
  func list(
    _ request: Massif_V1_ListDataSetsRequest, _ context: CallContext
  ) async throws -> Massif_V1_ListDataSetsResponse {
    let team = try context.team(request.team, field: "team")
    try context.requireList("data set", of: team)
    let paging = try Paging(request.page)
    let after = try paging.name()
    let records = try store.datasets(of: team, after: after, limit: paging.size + 1)
    let page = try paging.page(
      records, item: { Massif_V1_DataSet($0) }, token: { $0.name.name.description })
    var response = Massif_V1_ListDataSetsResponse()
    response.datasets = page.items
    response.nextPageToken = page.nextToken
    return response
  }

  /// One data set.
  func get(
    _ request: Massif_V1_GetDataSetRequest, _ context: CallContext
  ) async throws -> Massif_V1_DataSet {
    let name = try context.qualifiedName(request.name, field: "name")
    try context.require(.read, "data set", name)
    guard let record = try store.dataset(name) else { throw RPCError.notFound("data set", name) }
    return Massif_V1_DataSet(record)
  }

  /// Whatever is wrong with the file is said to be so of the field that brought it.
  private static func checked<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as RuntimeError {
      // A header that seems too long is most likely that of a file of another kind.
      throw RPCError.invalidArgument("chunk", error.description)
    } catch {
      throw RPCError(translating: error, field: "chunk")
    }
  }
}
