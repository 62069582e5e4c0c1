// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

extension Store {
  /// Records a job, unless its submitter has already submitted one with its request id.
  ///
  /// - Returns: the job as recorded, and whether it is new.
  /// - Throws: `.alreadyExists` when the request id was used for other work.
  public func insert(_ record: JobRecord) throws(StoreError) -> (job: JobRecord, isNew: Bool) {
    try database.write { database in
      if let job = try JobRecord.fetch(
        requestID: record.requestID, by: record.audit.createdBy, database)
      {
        guard job.training == record.training else {
          throw StoreError(
            .alreadyExists, "request_id was used for job \(job.id), which trains something else")
        }
        return (job, false)
      }
      try record.insert(database)
      var job = record
      job.sequence = database.lastInsertedRowID
      return (job, true)
    }
  }

  /// The job of that id.
  ///
  /// Nil when there is none.
  public func job(_ id: ResourceName) throws(StoreError) -> JobRecord? {
    try database.read { database in
      try Row.fetchOne(
        database, sql: "SELECT * FROM jobs WHERE id = ?", arguments: [id.description]
      ).map { try JobRecord.fetch($0, database) }
    }
  }

  /// The job that a caller submitted with this request id.
  ///
  /// Nil when there is none, and for an empty id.
  public func job(
    requestID: String, by submitter: String
  ) throws(StoreError) -> JobRecord? {
    try database.read { try JobRecord.fetch(requestID: requestID, by: submitter, $0) }
  }

  /// A team's jobs, newest first: those before `sequence`, and at most `limit`.
  public func jobs(
    of team: ResourceName, before sequence: Int64?, limit: Int
  ) throws(StoreError) -> [JobRecord] {
    try database.read { database in
      try Row.fetchAll(
        database,
        sql: "SELECT * FROM jobs WHERE team = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?",
        arguments: [team.description, sequence ?? .max, limit]
      ).map { try JobRecord.fetch($0, database) }
    }
  }

  /// The jobs that have not ended, oldest first.
  public func unendedJobs() throws(StoreError) -> [JobRecord] {
    try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM jobs WHERE ended IS NULL ORDER BY sequence")
        .map { try JobRecord.fetch($0, database) }
    }
  }

  /// Writes down where a job stands.
  ///
  /// A job that succeeds does so with `publish`.
  ///
  /// Its epochs are added one by one, with `add`.
  public func update(_ record: JobRecord) throws(StoreError) {
    try database.write { database in
      try database.execute(
        sql: """
          UPDATE jobs SET state = ?, error = ?, attempts = ?, resumed_after_epoch = ?, started = ?,
            ended = ? WHERE id = ? AND ended IS NULL
          """,
        arguments: [
          record.state.rawValue, record.error, record.attempts, record.resumedAfterEpoch,
          record.started?.timeIntervalSince1970, record.ended?.timeIntervalSince1970,
          record.id.description,
        ])
      guard database.changesCount == 1 else { throw StoreError.jobHasEnded(record.id) }
    }
  }

  /// Adds the results of an epoch; those of a repeated one replace the earlier.
  public func add(_ epoch: EpochRecord, to job: ResourceName) throws(StoreError) {
    let metrics = try StoreJSON.text(epoch.metrics)
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO job_epochs VALUES (?, ?, ?, ?, ?)",
        arguments: [
          job.description, epoch.epoch, epoch.seconds, epoch.samplesPerSecond, metrics,
        ])
    }
  }

  /// Removes the results of the epochs after `epoch`, which are about to be trained again.
  public func removeEpochs(after epoch: Int, of job: ResourceName) throws(StoreError) {
    try database.write { database in
      try database.execute(
        sql: "DELETE FROM job_epochs WHERE job = ? AND epoch > ?",
        arguments: [job.description, epoch])
    }
  }

  static func succeed(
    _ job: ResourceName, version: Int64, ended: Date, _ database: Database
  ) throws {
    try database.execute(
      sql: """
        UPDATE jobs SET state = ?, version = ?, ended = ? WHERE id = ? AND ended IS NULL
        """,
      arguments: [
        JobState.succeeded.rawValue, version, ended.timeIntervalSince1970, job.description,
      ])
    guard database.changesCount == 1 else { throw StoreError.jobHasEnded(job) }
  }
}

extension StoreError {
  fileprivate static func jobHasEnded(_ job: ResourceName) -> StoreError {
    StoreError(.failedPrecondition, "job \(job) has ended")
  }
}

extension JobRecord {
  fileprivate func insert(_ database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO jobs (id, team, model_team, model, dataset_team, dataset, dataset_digest, plugin,
          plugin_digest, configuration, seed, threads, request_id, state, error, attempts,
          resumed_after_epoch, created, created_by, continued_version)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        id.description, team.description, training.model.team.description,
        training.model.name.description, training.dataset?.team.description,
        training.dataset?.name.description, training.datasetDigest?.hexadecimal,
        training.plugin.description, training.pluginDigest?.hexadecimal, training.configuration,
        Int64(bitPattern: training.seed), training.threads, requestID.isEmpty ? nil : requestID,
        state.rawValue, error, attempts, resumedAfterEpoch, audit.created.timeIntervalSince1970,
        audit.createdBy, training.continuedVersion,
      ])
  }

  fileprivate static func fetch(
    requestID: String, by submitter: String, _ database: Database
  ) throws -> JobRecord? {
    guard !requestID.isEmpty else { return nil }
    return try Row.fetchOne(
      database, sql: "SELECT * FROM jobs WHERE created_by = ? AND request_id = ?",
      arguments: [submitter, requestID]
    ).map { try fetch($0, database) }
  }

  fileprivate static func fetch(_ row: Row, _ database: Database) throws -> JobRecord {
    var job = try JobRecord(row)
    job.epochs = try Row.fetchAll(
      database, sql: "SELECT * FROM job_epochs WHERE job = ? ORDER BY epoch",
      arguments: [job.id.description]
    ).map { row in
      EpochRecord(
        epoch: try row.required("epoch"), seconds: try row.required("seconds"),
        samplesPerSecond: try row.required("samples_per_second"), metrics: try row.json("metrics"))
    }
    return job
  }

  private init(_ row: Row) throws(StoreError) {
    guard let state = JobState(rawValue: try row.required("state")) else {
      throw StoreError(.dataLoss, "column state of a stored record is damaged")
    }
    self.init(
      id: try row.name("id"), team: try row.name("team"), training: try TrainingRecord(row),
      requestID: row["request_id"] ?? "", audit: try row.audit())
    self.state = state
    sequence = try row.required("sequence")
    error = try row.required("error")
    attempts = try row.required("attempts")
    resumedAfterEpoch = try row.required("resumed_after_epoch")
    version = row["version"]
    started = (row["started"] as Double?).map(Date.init(timeIntervalSince1970:))
    ended = (row["ended"] as Double?).map(Date.init(timeIntervalSince1970:))
  }
}

extension TrainingRecord {
  fileprivate init(_ row: Row) throws(StoreError) {
    self.init(
      model: try row.qualifiedName(team: "model_team", name: "model"),
      dataset: row["dataset"] == nil
        ? nil : try row.qualifiedName(team: "dataset_team", name: "dataset"),
      datasetDigest: row["dataset_digest"] == nil ? nil : try row.digest("dataset_digest"),
      plugin: try row.name("plugin"),
      pluginDigest: row["plugin_digest"] == nil ? nil : try row.digest("plugin_digest"),
      configuration: try row.required("configuration"),
      seed: UInt64(bitPattern: try row.required("seed") as Int64),
      threads: try row.required("threads"), continuedVersion: row["continued_version"])
  }
}
