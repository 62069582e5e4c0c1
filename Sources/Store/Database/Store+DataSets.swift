// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

extension Store {
  /// Records a data set whose file is in `datasets` already.
  ///
  /// Recording the same content under the same name again returns the record that is there.
  ///
  /// - Throws: `.alreadyExists` when the name has other content.
  public func insert(_ record: DataSetRecord) throws(StoreError) -> DataSetRecord {
    let tensors = try StoreJSON.text(record.tensors)
    let metadata = try StoreJSON.text(record.metadata)
    return try database.write { database in
      if let present = try DataSetRecord.fetch(record.name, database) {
        guard present.digest == record.digest else {
          throw StoreError(
            .alreadyExists,
            "data set \(record.name) exists with SHA-256 \(present.digest); data sets do not change:"
              + " choose another name")
        }
        return present
      }
      try database.execute(
        sql: "INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          record.name.team.description, record.name.name.description, record.digest.hexadecimal,
          record.byteCount, tensors, metadata, record.audit.created.timeIntervalSince1970,
          record.audit.createdBy,
        ])
      return record
    }
  }

  /// The data set of that name.
  ///
  /// Nil when there is none.
  public func dataset(_ name: QualifiedName) throws(StoreError) -> DataSetRecord? {
    try database.read { try DataSetRecord.fetch(name, $0) }
  }

  /// A team's data sets by name, after `name` and at most `limit` of them.
  public func datasets(
    of team: ResourceName, after name: ResourceName?, limit: Int
  ) throws(StoreError) -> [DataSetRecord] {
    try database.read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM datasets WHERE team = ? AND name > ? ORDER BY name LIMIT ?",
        arguments: [team.description, name?.description ?? "", limit]
      ).map { try DataSetRecord($0) }
    }
  }
}

extension DataSetRecord {
  fileprivate static func fetch(
    _ name: QualifiedName, _ database: Database
  ) throws -> DataSetRecord? {
    try Row.fetchOne(
      database, sql: "SELECT * FROM datasets WHERE team = ? AND name = ?",
      arguments: [name.team.description, name.name.description]
    ).map { try DataSetRecord($0) }
  }

  fileprivate init(_ row: Row) throws(StoreError) {
    self.init(
      name: try row.qualifiedName(team: "team", name: "name"), digest: try row.digest("digest"),
      byteCount: try row.required("byte_count"), tensors: try row.json("tensors"),
      metadata: try row.json("metadata"), audit: try row.audit())
  }
}
