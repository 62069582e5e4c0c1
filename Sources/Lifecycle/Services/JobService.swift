// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store

/// `massif.v1.Jobs`: submit, list, get, watch, cancel.
struct JobService: Sendable {
  let configuration: LifecycleConfiguration
  let store: Store
  let plugins: PluginRegistry
  let jobs: JobManager
  let publisher: VersionPublisher
  let now: @Sendable () -> Date

  /// Adds the service's methods.
  func register(in router: inout Router) {
    router.register("/massif.v1.Jobs/SubmitJob", requires: .write) { try await submit($0, $1) }
    router.register("/massif.v1.Jobs/ListJobs", requires: .read) { try await list($0, $1) }
    router.register("/massif.v1.Jobs/GetJob", requires: .read) { try await get($0, $1) }
    router.register("/massif.v1.Jobs/CancelJob", requires: .write) { try await cancel($0, $1) }
    router.register(subscription: "/massif.v1.Jobs/WatchJob", requires: .read) {
      try await watch($0, $1, $2)
    }
  }

  /// Checks a specification against its plugin and data set, and queues it.
  func submit(
    _ request: Massif_V1_SubmitJobRequest, _ context: CallContext
  ) async throws -> Massif_V1_Job {
    guard request.hasSpecification else {
      throw RPCError.invalidArgument("specification", "expected what is to be trained")
    }
    if !request.requestID.isEmpty { _ = try context.name(request.requestID, field: "request_id") }
    let training = try check(request.specification, context)
    let job = JobRecord(
      id: Self.makeID(), team: try context.team, training: training, requestID: request.requestID,
      audit: AuditRecord(created: now(), createdBy: context.principal.spiffeID))
    return Massif_V1_Job(try jobs.submit(job))
  }

  /// A team's jobs, newest first.
  func list(
    _ request: Massif_V1_ListJobsRequest, _ context: CallContext
  ) async throws -> Massif_V1_ListJobsResponse {
    let team = try context.team(request.team, field: "team")
    try context.requireList("job", of: team)
    let paging = try Paging(request.page)
    var before: Int64?
    if !paging.token.isEmpty {
      guard let sequence = Int64(paging.token) else { throw Paging.invalidToken }
      before = sequence
    }
    let snapshots = try jobs.jobs(of: team, before: before, limit: paging.size + 1)
    let page = try paging.page(
      snapshots, item: { Massif_V1_Job($0) }, token: { "\($0.record.sequence)" })
    var response = Massif_V1_ListJobsResponse()
    response.jobs = page.items
    response.nextPageToken = page.nextToken
    return response
  }

  /// One job.
  func get(
    _ request: Massif_V1_GetJobRequest, _ context: CallContext
  ) async throws -> Massif_V1_Job {
    Massif_V1_Job(try find(request.id, .read, context))
  }

  /// The job as it stands, then its changes until it has ended.
  func watch(
    _ request: Massif_V1_WatchJobRequest, _ context: CallContext,
    _ send: (Massif_V1_JobEvent) async throws -> Void
  ) async throws {
    let id = try find(request.id, .read, context).record.id
    guard let changes = try jobs.watch(id) else { throw Self.unknown(request.id) }
    for try await snapshot in changes {
      var event = Massif_V1_JobEvent()
      event.job = Massif_V1_Job(snapshot)
      try await send(event)
    }
  }

  /// Asks a job to end.
  ///
  /// Answers at once; the job ends within a batch.
  func cancel(
    _ request: Massif_V1_CancelJobRequest, _ context: CallContext
  ) async throws -> Massif_V1_Job {
    let id = try find(request.id, .write, context).record.id
    guard let snapshot = try jobs.cancel(id) else { throw Self.unknown(request.id) }
    return Massif_V1_Job(snapshot)
  }

  // MARK: Checks

  private func check(
    _ specification: Massif_V1_TrainingSpecification, _ context: CallContext
  ) throws -> TrainingRecord {
    let model = try context.qualifiedName(specification.model, field: "specification.model")
    try context.require(.write, "model", model)
    let dataset: QualifiedName? =
      specification.dataset.isEmpty
      ? nil : try context.qualifiedName(specification.dataset, field: "specification.dataset")
    if let dataset { try context.require(.read, "data set", dataset) }
    guard specification.threads <= Self.maxThreads else {
      throw RPCError.invalidArgument(
        "specification.threads", "expected 0 to \(Self.maxThreads), came \(specification.threads)")
    }
    guard specification.continueVersion == 0 else {
      return try checkContinuation(specification, model, dataset, context)
    }
    let pluginName = try context.name(specification.plugin, field: "specification.plugin")
    guard let plugin = plugins.plugin(named: pluginName.description) else {
      throw RPCError.notFound(Resource(kind: "plugin", team: nil, name: pluginName.description))
    }
    guard plugin.capabilities.contains(.training) else {
      throw RPCError.invalidArgument(
        "specification.plugin", "expected a plugin that trains; \(pluginName) does not")
    }
    guard (dataset != nil) == plugin.needsDataSet else {
      throw RPCError.invalidArgument("specification.dataset", plugin.dataSetExpectation)
    }
    let record = try dataset.map(find)
    try check(specification.configuration, record, on: plugin)
    return TrainingRecord(
      model: model, dataset: dataset, datasetDigest: record?.digest, plugin: pluginName,
      pluginDigest: Digest(hexadecimal: plugin.digest),
      configuration: specification.configuration, seed: specification.seed,
      threads: Int(specification.threads))
  }

  /// A version learns on with its own plugin, configuration and seed.
  private func checkContinuation(
    _ specification: Massif_V1_TrainingSpecification, _ model: QualifiedName,
    _ dataset: QualifiedName?, _ context: CallContext
  ) throws -> TrainingRecord {
    let number = specification.continueVersion
    for (field, isGiven) in [
      ("plugin", !specification.plugin.isEmpty),
      ("configuration", !specification.configuration.isEmpty), ("seed", specification.seed != 0),
    ] where isGiven {
      throw RPCError.invalidArgument(
        "specification.\(field)", "expected nothing beside continue_version: it is the version's")
    }
    guard let base = try number > 0 ? store.version(number, of: model) : nil else {
      throw RPCError(.notFound, "model \(model) has no version \(number)")
    }
    guard base.manifest.checkpoint != nil else {
      throw RPCError(
        .failedPrecondition,
        "version \(number) of model \(model) cannot learn on: plugin \(base.manifest.plugin) does"
          + " not offer it; train a version from the beginning")
    }
    guard let dataset else {
      throw RPCError.invalidArgument(
        "specification.dataset", "expected the data set to learn on from, came none")
    }
    let record = try find(dataset)
    let plugin: ModelPlugin
    do {
      plugin = try publisher.plugin(base.manifest.plugin, digest: base.build)
    } catch {
      throw RPCError(translating: error)
    }
    try check(base.manifest.configuration, record, on: plugin)
    return TrainingRecord(
      model: model, dataset: dataset, datasetDigest: record.digest, plugin: base.manifest.plugin,
      pluginDigest: base.build, configuration: base.manifest.configuration,
      seed: base.manifest.seed, threads: Int(specification.threads), continuedVersion: number)
  }

  private func find(_ dataset: QualifiedName) throws -> DataSetRecord {
    guard let record = try store.dataset(dataset) else {
      throw RPCError.notFound("data set", dataset)
    }
    return record
  }

  /// Asks the plugin whether the configuration is right, for the data set, and what it takes.
  private func check(
    _ configuration: String, _ dataset: DataSetRecord?, on plugin: ModelPlugin
  ) throws(RPCError) {
    do {
      let description = try dataset.map { try DataSetDescription($0) }
      try plugin.validate(configuration: configuration, dataset: description)
      try checkMemory(
        try plugin.estimateMemory(configuration: configuration, dataset: description), of: plugin)
    } catch {
      throw RPCError(translating: error, field: "specification")
    }
  }

  /// A few numbers in a configuration can ask for any amount of memory.
  private func checkMemory(
    _ estimate: MemoryEstimate, of plugin: ModelPlugin
  ) throws(RPCError) {
    let demands = [
      ("training", estimate.trainingByteCount, configuration.maxTrainingByteCount),
      ("serving", estimate.inferenceByteCount, plugin.maxModelByteCount),
    ]
    for (what, count, limit) in demands where count > limit {
      let bound = "at most \(limit) bytes for \(what)"
      throw RPCError(
        .resourceExhausted,
        "specification.configuration: expected a model of \(bound), came one of \(count)",
        details: [.quotaFailure([QuotaViolation(subject: "memory", description: bound)])])
    }
  }

  /// The runtime's own bound.
  private static let maxThreads: UInt32 = 1024

  /// Finds a job that the caller may know of.
  func find(
    _ text: String, _ permission: Permission, _ context: CallContext, field: String = "id"
  ) throws -> JobManager.Snapshot {
    let id = try context.name(text, field: field)
    guard let snapshot = try jobs.job(id) else { throw Self.unknown(text) }
    let resource = Resource(
      kind: "job", team: snapshot.record.team.description, name: id.description)
    // The id alone says nothing of the team, and neither may the answer.
    if context.access.authorize(context.principal, permission, on: resource) == .conceal {
      throw Self.unknown(text)
    }
    try context.require(permission, on: resource)
    return snapshot
  }

  private static func unknown(_ id: String) -> RPCError {
    .notFound(Resource(kind: "job", team: nil, name: id))
  }

  /// A name that no other job has.
  private static func makeID() -> ResourceName {
    .random(prefix: "job-")
  }
}
