// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import TestSupport
import Testing

@testable import Store

@Suite struct StoreRecordTests {
  private func dataset(_ name: QualifiedName, _ content: String) throws -> DataSetRecord {
    DataSetRecord(
      name: name, digest: try StoreFixture.digest(content), byteCount: content.utf8.count,
      tensors: [TensorRecord(name: "train/images", datatype: "UINT8", shape: [6, 28, 28])],
      metadata: ["source": "a \"quoted\" place", "classes": "0,1"], audit: StoreFixture.audit)
  }

  @Test func keepsDataSets() throws {
    let fixture = try StoreFixture()
    let record = try dataset(StoreFixture.dataset, "one")
    #expect(try fixture.store.insert(record) == record)
    #expect(try fixture.store.dataset(StoreFixture.dataset) == record)
    // The same content again is the record that is there, with its first audit stamp.
    var again = record
    again.audit.createdBy = "someone else"
    #expect(try fixture.store.insert(again) == record)
    let error = #expect(throws: StoreError.self) {
      try fixture.store.insert(dataset(StoreFixture.dataset, "two"))
    }
    #expect(error?.code == .alreadyExists)
    let elsewhere = QualifiedName(team: ResourceName(literal: "nlp"), name: record.name.name)
    #expect(try fixture.store.dataset(elsewhere) == nil)
  }

  @Test func pagesDataSetsByName() throws {
    let fixture = try StoreFixture()
    let team = StoreFixture.dataset.team
    for name in ["c", "a", "d", "b"] {
      let name = QualifiedName(team: team, name: try #require(ResourceName(name)))
      _ = try fixture.store.insert(dataset(name, "x"))
    }
    let first = try fixture.store.datasets(of: team, after: nil, limit: 3).map(\.name.name)
    #expect(first.map(\.description) == ["a", "b", "c"])
    let rest = try fixture.store.datasets(of: team, after: first.last, limit: 3)
    #expect(rest.map(\.name.name.description) == ["d"])
    #expect(
      try fixture.store.datasets(of: ResourceName(literal: "nlp"), after: nil, limit: 3).isEmpty)
  }

  @Test func submitsARequestIDOnce() throws {
    let fixture = try StoreFixture()
    let (first, isNew) = try fixture.store.insert(StoreFixture.job("job-1", requestID: "r"))
    #expect(isNew)
    let (second, isNewAgain) = try fixture.store.insert(StoreFixture.job("job-2", requestID: "r"))
    #expect(!isNewAgain)
    #expect(second == first)
    let error = #expect(throws: StoreError.self) {
      try fixture.store.insert(StoreFixture.job("job-3", requestID: "r", seed: 8))
    }
    #expect(error?.code == .alreadyExists)
    var other = try StoreFixture.job("job-4", requestID: "r")
    other.audit.createdBy = "spiffe://massif.test/team/nlp/bob"
    #expect(try fixture.store.insert(other).isNew)
    #expect(try fixture.store.insert(StoreFixture.job("job-5")).isNew)
    #expect(try fixture.store.insert(StoreFixture.job("job-6")).isNew)
  }

  @Test func keepsAJobAsItGoes() throws {
    let fixture = try StoreFixture()
    var (job, _) = try fixture.store.insert(StoreFixture.job("job-1", seed: .max))
    #expect(try fixture.store.job(job.id) == job)
    job.state = .running
    job.attempts = 2
    job.resumedAfterEpoch = 1
    job.started = Date(timeIntervalSince1970: 1_700_000_001.25)
    try fixture.store.update(job)
    for epoch in 1...3 {
      let metrics = [MetricRecord(name: "loss", value: epoch == 2 ? .infinity : 0.1)]
      let record = EpochRecord(epoch: epoch, seconds: 1.5, samplesPerSecond: 10, metrics: metrics)
      try fixture.store.add(record, to: job.id)
      job.epochs.append(record)
    }
    #expect(try fixture.store.job(job.id) == job)
    #expect(try fixture.store.unendedJobs() == [job])
    try fixture.store.removeEpochs(after: 1, of: job.id)
    job.epochs.removeLast(2)
    job.state = .failed
    job.error = "worker ended by signal 9"
    job.ended = Date(timeIntervalSince1970: 1_700_000_002)
    try fixture.store.update(job)
    #expect(try fixture.store.job(job.id) == job)
    #expect(try fixture.store.unendedJobs().isEmpty)
    job.state = .running
    let error = #expect(throws: StoreError.self) { try fixture.store.update(job) }
    #expect(error?.code == .failedPrecondition)
  }

  @Test func listsJobsNewestFirst() throws {
    let fixture = try StoreFixture()
    _ = try fixture.store.insert(StoreFixture.job("job-1"))
    _ = try fixture.store.insert(StoreFixture.job("job-2"))
    _ = try fixture.store.insert(StoreFixture.job("job-3"))
    let team = StoreFixture.model.team
    let first = try fixture.store.jobs(of: team, before: nil, limit: 2)
    #expect(first.map(\.id.description) == ["job-3", "job-2"])
    let rest = try fixture.store.jobs(of: team, before: first.last?.sequence, limit: 2)
    #expect(rest.map(\.id.description) == ["job-1"])
    #expect(
      try fixture.store.jobs(of: ResourceName(literal: "nlp"), before: nil, limit: 2).isEmpty)
  }

  @Test func keepsPluginsInOrder() throws {
    let fixture = try StoreFixture()
    for version in ["2.0", "1.0"] {
      let record = PluginRecord(
        name: ResourceName(literal: "identity"), version: version,
        digest: try StoreFixture.digest(version), byteCount: 3, isolation: "isolated",
        signedManifest: nil, audit: StoreFixture.audit)
      #expect(try fixture.store.insert(record) == record)
      #expect(try fixture.store.insert(record) == record)
      var signed = record
      signed.signedManifest = "manifest"
      #expect(try fixture.store.insert(signed) == signed)
      #expect(try fixture.store.insert(record) == signed)
    }
    #expect(try fixture.store.pluginRecords().map(\.version) == ["2.0", "1.0"])
  }

  @Test func isOpenOnce() throws {
    let fixture = try StoreFixture()
    let error = #expect(throws: StoreError.self) { try Store.open(directory: fixture.path) }
    #expect(error?.code == .failedPrecondition)
    try fixture.store.close()
    _ = try Store.open(directory: fixture.path)
  }

  @Test func refusesANewerStore() throws {
    let directory = try TemporaryDirectory()
    do {
      let store = try Store.open(directory: directory.path)
      try store.database.write { database in
        try database.execute(sql: "INSERT INTO grdb_migrations VALUES ('999: the future')")
      }
      try store.close()
    }
    let error = #expect(throws: StoreError.self) { try Store.open(directory: directory.path) }
    #expect(error?.code == .failedPrecondition)
  }

  @Test func waitsForTheDisk() throws {
    let fixture = try StoreFixture()
    let (synchronous, journal) = try fixture.store.database.write { database in
      (
        try Int.fetchOne(database, sql: "PRAGMA synchronous"),
        try String.fetchOne(database, sql: "PRAGMA journal_mode")
      )
    }
    #expect(synchronous == 2)  // FULL
    #expect(journal == "wal")
  }
}
