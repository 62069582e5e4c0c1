// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

extension Store {
  /// Records a plugin whose file is in `plugins` already.
  ///
  /// Recording the same build again returns the record that is there, with the isolation and the
  /// signature of now.
  public func insert(_ record: PluginRecord) throws(StoreError) -> PluginRecord {
    try database.write { database in
      let present = try Row.fetchOne(
        database, sql: "SELECT * FROM plugins WHERE digest = ?",
        arguments: [record.digest.hexadecimal])
      if let present {
        var known = try PluginRecord(present)
        known.isolation = record.isolation
        known.signedManifest = record.signedManifest ?? known.signedManifest
        try database.execute(
          sql: "UPDATE plugins SET isolation = ?, signed_manifest = ? WHERE digest = ?",
          arguments: [known.isolation, known.signedManifest, known.digest.hexadecimal])
        return known
      }
      try database.execute(
        sql: """
          INSERT INTO plugins
            (digest, name, version, byte_count, isolation, signed_manifest, created, created_by)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          record.digest.hexadecimal, record.name.description, record.version, record.byteCount,
          record.isolation, record.signedManifest, record.audit.created.timeIntervalSince1970,
          record.audit.createdBy,
        ])
      return record
    }
  }

  /// Forgets a build, whose file is then for the caller to remove.
  public func removePlugin(_ digest: Digest) throws(StoreError) {
    try database.write { database in
      try database.execute(
        sql: "DELETE FROM plugins WHERE digest = ?", arguments: [digest.hexadecimal])
    }
  }

  /// Remembers cases that every later build of a plugin must answer as recorded.
  ///
  /// - Parameter cases: in a form that the caller knows; one that is there already is kept once.
  public func addGoldenCases(
    _ cases: [[UInt8]], of plugin: ResourceName
  ) throws(StoreError) {
    try database.write { database in
      for bytes in cases {
        try database.execute(
          sql: "INSERT OR IGNORE INTO golden_cases (plugin, bytes) VALUES (?, ?)",
          arguments: [plugin.description, Data(bytes)])
      }
    }
  }

  /// The cases of a plugin, oldest first.
  public func goldenCases(of plugin: ResourceName) throws(StoreError) -> [[UInt8]] {
    try database.read { database in
      try Data.fetchAll(
        database, sql: "SELECT bytes FROM golden_cases WHERE plugin = ? ORDER BY sequence",
        arguments: [plugin.description]
      ).map { Array($0) }
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
      isolation: try row.required("isolation"), signedManifest: row["signed_manifest"],
      audit: try row.audit())
  }
}
