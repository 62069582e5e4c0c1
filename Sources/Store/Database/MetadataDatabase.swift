// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB

/// The SQLite database: opening, migrating, and one place that turns its failures into ours.
struct MetadataDatabase: Sendable {
  private let pool: DatabasePool

  /// Opens the database; makes it, or brings its schema up to date, if need be.
  init(path: String) throws(StoreError) {
    var configuration = Configuration()
    configuration.label = "massif.store"
    configuration.busyMode = .timeout(10)
    do {
      pool = try DatabasePool(path: path, configuration: configuration)
      // GRDB sets NORMAL, which in WAL mode may lose the last commits in a power cut
      // (sqlite.org/pragma.html#pragma_synchronous). The one writing connection lives with the pool.
      try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
      try Schema.migrator.migrate(pool)
      if try pool.read(Schema.migrator.hasBeenSuperseded) {
        throw StoreError(
          .failedPrecondition,
          "the store was written by a newer massif; start that one, or restore an older copy")
      }
    } catch {
      throw Self.translate(error)
    }
  }

  /// Closes the database.
  ///
  /// Everything that was written is in its files.
  func close() throws(StoreError) {
    do { try pool.close() } catch { throw Self.translate(error) }
  }

  /// Runs a read-only transaction.
  func read<Result>(
    _ body: (Database) throws -> Result
  ) throws(StoreError) -> Result {
    do { return try pool.read(body) } catch { throw Self.translate(error) }
  }

  /// Runs a transaction.
  ///
  /// It is on disk when this returns; an error rolls it back.
  func write<Result>(
    _ body: (Database) throws -> Result
  ) throws(StoreError) -> Result {
    do { return try pool.write(body) } catch { throw Self.translate(error) }
  }

  /// Turns a failure into the store's error; a full disk is the caller's to know.
  static func translate(_ error: any Error) -> StoreError {
    switch error {
    case let error as StoreError:
      error
    case let error as DatabaseError where error.resultCode == .SQLITE_FULL:
      StoreError(.resourceExhausted, "the server's disk is full", cause: error)
    case let error as DatabaseError
    where error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB:
      StoreError(.dataLoss, "the store's database is damaged", cause: error)
    default:
      StoreError(.internal, "the store's database failed", cause: error)
    }
  }
}

extension Row {
  /// A column that the schema declares NOT NULL.
  ///
  /// - Throws: `.dataLoss` when the value is not what we write there.
  func required<Value: DatabaseValueConvertible>(_ column: String) throws(StoreError) -> Value {
    guard let value = Value.fromDatabaseValue(self[column] as DatabaseValue) else {
      throw StoreError(.dataLoss, "column \(column) of a stored record is damaged")
    }
    return value
  }

  func name(_ column: String) throws(StoreError) -> ResourceName {
    guard let name = ResourceName(try required(column) as String) else {
      throw StoreError(.dataLoss, "column \(column) of a stored record is damaged")
    }
    return name
  }

  func qualifiedName(team: String, name: String) throws(StoreError) -> QualifiedName {
    QualifiedName(team: try self.name(team), name: try self.name(name))
  }

  func digest(_ column: String) throws(StoreError) -> Digest {
    guard let digest = Digest(hexadecimal: try required(column)) else {
      throw StoreError(.dataLoss, "column \(column) of a stored record is damaged")
    }
    return digest
  }

  func json<Value: Decodable>(_ column: String) throws(StoreError) -> Value {
    try StoreJSON.decode(Value.self, from: (try required(column) as String).utf8)
  }

  func audit() throws(StoreError) -> AuditRecord {
    AuditRecord(
      created: .init(timeIntervalSince1970: try required("created")),
      createdBy: try required("created_by"))
  }
}
