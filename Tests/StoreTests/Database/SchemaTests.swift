// SPDX-License-Identifier: Apache-2.0
import GRDB
import Testing

@testable import Store

@Suite struct SchemaTests {
  @Test func aJobWithoutADataSetIsKept() throws {
    let fixture = try StoreFixture()
    var job = try StoreFixture.job("job-1")
    job.training.dataset = nil
    job.training.datasetDigest = nil
    let stored = try fixture.store.insert(job).job
    #expect(stored.training == job.training)
    #expect(try fixture.store.job(job.id)?.training == job.training)
  }

  @Test func jobsOfTheFirstSchemaAreKept() throws {
    let queue = try DatabaseQueue()
    try Schema.migrator.migrate(queue, upTo: "1: data sets, jobs, models, plugins")
    try queue.write { database in
      try database.execute(
        sql: """
          INSERT INTO jobs VALUES (7, 'job-7', 't', 't', 'm', 't', 'd', 'digest', 'p', NULL, '{}', 1,
            0, NULL, 'RUNNING', '', 1, 0, NULL, 1.5, NULL, 1.0, 'ann');
          INSERT INTO job_epochs VALUES ('job-7', 1, 0.5, 10, '[]');
          """)
    }
    try Schema.migrator.migrate(queue)
    try queue.write { database in
      let first = try Row.fetchOne(database, sql: "SELECT * FROM jobs")
      let row = try #require(first)
      let (sequence, dataset): (Int, String) = (row["sequence"], row["dataset"])
      #expect(sequence == 7 && dataset == "d")
      let epochs = try Int.fetchOne(database, sql: "SELECT count(*) FROM job_epochs")
      #expect(epochs == 1)
      // Numbers go on after the last.
      try database.execute(
        sql: """
          INSERT INTO jobs (id, team, model_team, model, plugin, configuration, seed, threads, state,
            error, attempts, resumed_after_epoch, created, created_by)
          VALUES ('job-8', 't', 't', 'm', 'p', '{}', 1, 0, 'QUEUED', '', 0, 0, 1.0, 'ann')
          """)
      #expect(database.lastInsertedRowID == 8)
    }
  }
}
