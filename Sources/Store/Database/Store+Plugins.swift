// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

extension Store {
  /// Records a plugin whose file is in `plugins` already.
  ///
  /// Recording the same build again returns the record that is there.
  public func insert(_ record: PluginRecord) throws(StoreError) -> PluginRecord {
    try database.write { database in
      let present = try Row.fetchOne(
        database, sql: "SELECT * FROM plugins WHERE digest = ?",
        arguments: [record.digest.hexadecimal])
      if let present { return try PluginRecord(present) }
      try database.execute(
        sql: """
          INSERT INTO plugins (digest, name, version, byte_count, created, created_by)
          VALUES (?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          record.digest.hexadecimal, record.name.description, record.version, record.byteCount,
          record.audit.created.timeIntervalSince1970, record.audit.createdBy,
        ])
      return record
    }
  }

  /// Every registered build, in order of registration: of two with one name the later one counts.
  public func pluginRecords() throws(StoreError) -> [PluginRecord] {
    try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM plugins ORDER BY sequence")
        .map { try PluginRecord($0) }
    }
  }
}

extension PluginRecord {
  fileprivate init(_ row: Row) throws(StoreError) {
    self.init(
      name: try row.name("name"), version: try row.required("version"),
      digest: try row.digest("digest"), byteCount: try row.required("byte_count"),
      audit: try row.audit())
  }
}
