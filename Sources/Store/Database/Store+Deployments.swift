// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

extension Store {
  /// Every version that is to be loaded, by model and version.
  public func deployments() throws(StoreError) -> [DeploymentRecord] {
    try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM deployments ORDER BY team, model, version")
        .map { row in
          DeploymentRecord(
            model: try row.qualifiedName(team: "team", name: "model"),
            version: try row.required("version"), audit: try row.audit())
        }
    }
  }

  /// Writes down that a version is to be loaded.
  ///
  /// Does nothing when that is so already.
  ///
  /// - Throws: `.notFound` when there is no such version.
  public func deploy(_ deployment: DeploymentRecord) throws(StoreError) {
    try database.write { database in
      try Self.requireVersion(deployment.version, of: deployment.model, database)
      try database.execute(
        sql: "INSERT OR IGNORE INTO deployments VALUES (?, ?, ?, ?, ?)",
        arguments: [
          deployment.model.team.description, deployment.model.name.description, deployment.version,
          deployment.audit.created.timeIntervalSince1970, deployment.audit.createdBy,
        ])
    }
  }

  /// Writes down that a version is not to be loaded.
  ///
  /// Does nothing when that is so already.
  public func undeploy(_ version: Int64, of model: QualifiedName) throws(StoreError) {
    try database.write { database in
      try database.execute(
        sql: "DELETE FROM deployments WHERE team = ? AND model = ? AND version = ?",
        arguments: [model.team.description, model.name.description, version])
    }
  }

  /// The version that an alias points at.
  ///
  /// Nil when there is no such alias.
  public func version(
    alias: ResourceName, of model: QualifiedName
  ) throws(StoreError) -> Int64? {
    try database.read { database in
      try Int64.fetchOne(
        database, sql: "SELECT version FROM aliases WHERE team = ? AND model = ? AND alias = ?",
        arguments: [model.team.description, model.name.description, alias.description])
    }
  }

  /// Points aliases at a version, all of them or none; makes those that are new.
  ///
  /// Whether the version is loaded is for the caller to know.
  ///
  /// - Throws: `.notFound` when there is no such version.
  public func setAliases(
    _ aliases: [ResourceName], of model: QualifiedName, to version: Int64
  ) throws(StoreError) {
    try database.write { database in
      try Self.requireVersion(version, of: model, database)
      for alias in aliases {
        try database.execute(
          sql: "INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?)",
          arguments: [
            model.team.description, model.name.description, alias.description, version,
          ])
      }
    }
  }

  /// Removes an alias.
  ///
  /// False when there was none.
  public func removeAlias(
    _ alias: ResourceName, of model: QualifiedName
  ) throws(StoreError) -> Bool {
    try database.write { database in
      try database.execute(
        sql: "DELETE FROM aliases WHERE team = ? AND model = ? AND alias = ?",
        arguments: [model.team.description, model.name.description, alias.description])
      return database.changesCount > 0
    }
  }

  private static func requireVersion(
    _ version: Int64, of model: QualifiedName, _ database: Database
  ) throws {
    let found = try Bool.fetchOne(
      database,
      sql: "SELECT true FROM model_versions WHERE team = ? AND model = ? AND version = ?",
      arguments: [model.team.description, model.name.description, version])
    guard found == true else {
      throw StoreError(.notFound, "model \(model) has no version \(version)")
    }
  }
}
