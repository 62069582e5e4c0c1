// SPDX-License-Identifier: Apache-2.0
import GRDB

/// The tables.
///
/// A change is a new migration at the end; one that has been released is never edited.
///
/// Times are seconds since 1970, digests hexadecimal, lists and dictionaries JSON.
enum Schema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: data sets, jobs, models, plugins") { database in
      try database.execute(sql: first)
    }
    migrator.registerMigration("plugins: isolation and signed manifest") { database in
      try database.execute(sql: pluginSignatures)
    }
    migrator.registerMigration("jobs without a data set") { database in
      try database.execute(sql: jobsWithoutDataSet)
    }
    migrator.registerMigration("plugins: serving builds and golden cases") { database in
      try database.execute(sql: servingBuilds)
    }
    migrator.registerMigration("jobs that continue a version") { database in
      try database.execute(sql: "ALTER TABLE jobs ADD COLUMN continued_version INTEGER")
    }
    return migrator
  }

  private static let first = """
    CREATE TABLE datasets (
      team TEXT NOT NULL,
      name TEXT NOT NULL,
      digest TEXT NOT NULL,
      byte_count INTEGER NOT NULL,
      tensors TEXT NOT NULL,
      metadata TEXT NOT NULL,
      created REAL NOT NULL,
      created_by TEXT NOT NULL,
      PRIMARY KEY (team, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE jobs (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      team TEXT NOT NULL,
      model_team TEXT NOT NULL,
      model TEXT NOT NULL,
      dataset_team TEXT NOT NULL,
      dataset TEXT NOT NULL,
      dataset_digest TEXT NOT NULL,
      plugin TEXT NOT NULL,
      plugin_digest TEXT,
      configuration TEXT NOT NULL,
      seed INTEGER NOT NULL,  -- the bits of an unsigned integer
      threads INTEGER NOT NULL,
      request_id TEXT,
      state TEXT NOT NULL,
      error TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      resumed_after_epoch INTEGER NOT NULL,
      version INTEGER,
      started REAL,
      ended REAL,
      created REAL NOT NULL,
      created_by TEXT NOT NULL,
      UNIQUE (created_by, request_id)
    ) STRICT;
    CREATE INDEX jobs_by_team ON jobs (team, sequence);
    CREATE INDEX jobs_not_ended ON jobs (sequence) WHERE ended IS NULL;

    CREATE TABLE job_epochs (
      job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      epoch INTEGER NOT NULL,
      seconds REAL NOT NULL,
      samples_per_second REAL NOT NULL,
      metrics TEXT NOT NULL,
      PRIMARY KEY (job, epoch)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE model_versions (
      team TEXT NOT NULL,
      model TEXT NOT NULL,
      version INTEGER NOT NULL CHECK (version > 0),
      digest TEXT NOT NULL,
      manifest TEXT NOT NULL,
      job TEXT,
      created REAL NOT NULL,
      created_by TEXT NOT NULL,
      PRIMARY KEY (team, model, version)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE deployments (
      team TEXT NOT NULL,
      model TEXT NOT NULL,
      version INTEGER NOT NULL,
      created REAL NOT NULL,
      created_by TEXT NOT NULL,
      PRIMARY KEY (team, model, version),
      FOREIGN KEY (team, model, version) REFERENCES model_versions
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE aliases (
      team TEXT NOT NULL,
      model TEXT NOT NULL,
      alias TEXT NOT NULL,
      version INTEGER NOT NULL,
      PRIMARY KEY (team, model, alias),
      FOREIGN KEY (team, model, version) REFERENCES model_versions
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE plugins (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      digest TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      version TEXT NOT NULL,
      byte_count INTEGER NOT NULL,
      created REAL NOT NULL,
      created_by TEXT NOT NULL
    ) STRICT;
    """

  private static let pluginSignatures = """
    ALTER TABLE plugins ADD COLUMN isolation TEXT NOT NULL DEFAULT 'in-process';
    ALTER TABLE plugins ADD COLUMN signed_manifest TEXT;
    """

  /// SQLite cannot take a NOT NULL away, so the table is made anew.
  private static let jobsWithoutDataSet = """
    CREATE TABLE new_jobs (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      team TEXT NOT NULL,
      model_team TEXT NOT NULL,
      model TEXT NOT NULL,
      dataset_team TEXT,
      dataset TEXT,
      dataset_digest TEXT,
      plugin TEXT NOT NULL,
      plugin_digest TEXT,
      configuration TEXT NOT NULL,
      seed INTEGER NOT NULL,  -- the bits of an unsigned integer
      threads INTEGER NOT NULL,
      request_id TEXT,
      state TEXT NOT NULL,
      error TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      resumed_after_epoch INTEGER NOT NULL,
      version INTEGER,
      started REAL,
      ended REAL,
      created REAL NOT NULL,
      created_by TEXT NOT NULL,
      UNIQUE (created_by, request_id)
    ) STRICT;
    INSERT INTO new_jobs SELECT * FROM jobs;
    DROP TABLE jobs;
    ALTER TABLE new_jobs RENAME TO jobs;
    CREATE INDEX jobs_by_team ON jobs (team, sequence);
    CREATE INDEX jobs_not_ended ON jobs (sequence) WHERE ended IS NULL;
    """

  private static let servingBuilds = """
    ALTER TABLE model_versions ADD COLUMN serving_build TEXT;

    CREATE TABLE golden_cases (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      plugin TEXT NOT NULL,
      bytes BLOB NOT NULL,
      UNIQUE (plugin, bytes)
    ) STRICT;
    """
}
