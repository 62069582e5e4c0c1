// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

extension Store {
  /// Where to write the files of a version that `publish` then makes public.
  public func stageVersion() throws(StoreError) -> StagedDirectory {
    try StagedDirectory(in: incoming)
  }

  /// Makes the staged files the model's next version, and with it ends the job that made them.
  ///
  /// The directory is on disk under its final name before the record is: a version that can be
  /// found is whole. Blocks until the disk has both.
  ///
  /// - Parameters:
  ///   - staged: the files; the manifest is added here, with its list of them.
  ///   - job: a job that succeeds with this version, in the same transaction.
  /// - Throws: `.failedPrecondition` when the job has ended meanwhile.
  public func publish(
    _ staged: StagedDirectory, as model: QualifiedName, manifest: ModelManifest,
    finishing job: ResourceName? = nil, audit: AuditRecord
  ) throws(StoreError) -> ModelVersionRecord {
    let bytes = try manifest.encoded()
    let digest = try bytes.withUnsafeBufferPointer { (buffer) throws(StoreError) in
      let buffer = UnsafeRawBufferPointer(buffer)
      try staged.append(buffer, to: ModelManifest.fileName)
      return try SHA256.digest(of: buffer)
    }
    try staged.seal()
    let directory = try models.makeDirectory(model.team).makeDirectory(model.name)
    return try database.write { database in
      let newest = try Int64.fetchOne(
        database, sql: "SELECT max(version) FROM model_versions WHERE team = ? AND model = ?",
        arguments: [model.team.description, model.name.description])
      let record = ModelVersionRecord(
        model: model, version: (newest ?? 0) + 1, digest: digest, manifest: manifest, job: job,
        audit: audit)
      let name = record.directoryName
      // A crash between the directory and its record leaves a directory that nobody has heard of.
      try directory.removeTree(name)
      try staged.move(to: directory, as: name)
      try database.execute(
        sql: "INSERT INTO model_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        arguments: [
          model.team.description, model.name.description, record.version, digest.hexadecimal,
          String(decoding: bytes, as: UTF8.self), job?.description,
          audit.created.timeIntervalSince1970, audit.createdBy,
        ])
      if let job {
        try Self.succeed(job, version: record.version, ended: audit.created, database)
      }
      return record
    }
  }

  /// A version of a model.
  ///
  /// Nil when there is none.
  public func version(
    _ version: Int64, of model: QualifiedName
  ) throws(StoreError) -> ModelVersionRecord? {
    try database.read { database in
      try Row.fetchOne(
        database,
        sql: "SELECT * FROM model_versions WHERE team = ? AND model = ? AND version = ?",
        arguments: [model.team.description, model.name.description, version]
      ).map { try ModelVersionRecord($0) }
    }
  }

  /// Has a version served by another build of its plugin, from its next loading on.
  ///
  /// - Parameter build: nil for the build that made it.
  /// - Throws: `.notFound` when there is no such version.
  public func setServingBuild(
    _ build: Digest?, of model: QualifiedName, version: Int64
  ) throws(StoreError) {
    try database.write { database in
      try database.execute(
        sql: """
          UPDATE model_versions SET serving_build = ? WHERE team = ? AND model = ? AND version = ?
          """,
        arguments: [
          build?.hexadecimal, model.team.description, model.name.description, version,
        ])
      guard database.changesCount == 1 else {
        throw StoreError(.notFound, "model \(model) has no version \(version)")
      }
    }
  }

  /// The newest version of a model.
  ///
  /// Nil when there is no such model.
  public func newestVersion(of model: QualifiedName) throws(StoreError) -> ModelVersionRecord? {
    try database.read { database in
      try Row.fetchOne(
        database,
        sql: """
          SELECT * FROM model_versions WHERE team = ? AND model = ? ORDER BY version DESC LIMIT 1
          """,
        arguments: [model.team.description, model.name.description]
      ).map { try ModelVersionRecord($0) }
    }
  }

  /// A model with its versions and aliases.
  ///
  /// Nil when there is none.
  public func model(_ name: QualifiedName) throws(StoreError) -> ModelRecord? {
    try database.read { try ModelRecord.fetch(name, $0) }
  }

  /// A team's models by name, after `name` and at most `limit` of them.
  public func models(
    of team: ResourceName, after name: ResourceName?, limit: Int
  ) throws(StoreError) -> [ModelRecord] {
    try database.read { database in
      let names = try Row.fetchAll(
        database,
        sql: """
          SELECT DISTINCT team, model FROM model_versions WHERE team = ? AND model > ?
          ORDER BY model LIMIT ?
          """,
        arguments: [team.description, name?.description ?? "", limit]
      ).map { try $0.qualifiedName(team: "team", name: "model") }
      return try names.compactMap { try ModelRecord.fetch($0, database) }
    }
  }

  /// Maps the files of a version and checks each against its digest.
  ///
  /// Reads all of them.
  ///
  /// - Throws: `.dataLoss` when a file is not what was published.
  public func artifacts(of record: ModelVersionRecord) throws(StoreError) -> [ArtifactFile] {
    try artifacts(of: record) { _ in true }
  }

  /// The same for the file of one name; nil when the version has none of it.
  ///
  /// Reads no other.
  public func artifact(
    named name: String, of record: ModelVersionRecord
  ) throws(StoreError) -> ArtifactFile? {
    try artifacts(of: record) { $0.description == name }.first
  }

  /// The path of a file of a version, for a worker.
  public func path(of file: ResourceName, in record: ModelVersionRecord) -> String {
    "\(modelsPath)/\(record.model.team)/\(record.model.name)/\(record.directoryName)/\(file)"
  }

  private func artifacts(
    of record: ModelVersionRecord, where isWanted: (ResourceName) -> Bool
  ) throws(StoreError) -> [ArtifactFile] {
    let directory = try models.directory(record.model.team).directory(record.model.name)
      .directory(record.directoryName)
    var artifacts: [ArtifactFile] = []
    for artifact in record.manifest.artifacts where isWanted(artifact.name) {
      let file = try directory.map(artifact.name)
      guard try SHA256.digest(of: file) == artifact.digest else {
        throw StoreError(
          .dataLoss,
          "\(artifact.name) of \(record.model) version \(record.version) is damaged: its SHA-256 is"
            + " not the manifest's")
      }
      artifacts.append(ArtifactFile(name: artifact.name, file: file))
    }
    return artifacts
  }
}

extension ModelVersionRecord {
  /// The name of the version's directory.
  fileprivate var directoryName: ResourceName {
    guard version > 0, let name = ResourceName("\(version)") else {
      preconditionFailure("versions are positive")
    }
    return name
  }

  fileprivate init(_ row: Row) throws(StoreError) {
    self.init(
      model: try row.qualifiedName(team: "team", name: "model"),
      version: try row.required("version"), digest: try row.digest("digest"),
      manifest: try ModelManifest(decoding: (try row.required("manifest") as String).utf8),
      servingBuild: row["serving_build"] == nil ? nil : try row.digest("serving_build"),
      job: row["job"] == nil ? nil : try row.name("job"), audit: try row.audit())
  }
}

extension ModelRecord {
  fileprivate static func fetch(_ name: QualifiedName, _ database: Database) throws -> ModelRecord?
  {
    let key: StatementArguments = [name.team.description, name.name.description]
    let versions = try Row.fetchAll(
      database,
      sql: "SELECT * FROM model_versions WHERE team = ? AND model = ? ORDER BY version",
      arguments: key
    ).map { try ModelVersionRecord($0) }
    guard !versions.isEmpty else { return nil }
    var aliases: [ResourceName: Int64] = [:]
    for row in try Row.fetchAll(
      database, sql: "SELECT alias, version FROM aliases WHERE team = ? AND model = ?",
      arguments: key)
    {
      aliases[try row.name("alias")] = try row.required("version")
    }
    return ModelRecord(name: name, versions: versions, aliases: aliases)
  }
}
