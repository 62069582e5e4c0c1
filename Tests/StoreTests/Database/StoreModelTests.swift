// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import TestSupport
import Testing

@testable import Store

@Suite struct StoreModelTests {
  @Test func publishesVersions() throws {
    let fixture = try StoreFixture()
    let first = try fixture.publish("one")
    let second = try fixture.publish("two")
    #expect(first.version == 1)
    #expect(second.version == 2)
    #expect(first.digest != second.digest)
    // NaN is a metric of the manifest, so records are compared by what identifies them.
    #expect(try fixture.store.version(1, of: StoreFixture.model)?.digest == first.digest)
    #expect(try fixture.store.newestVersion(of: StoreFixture.model)?.version == 2)
    #expect(try fixture.store.version(3, of: StoreFixture.model) == nil)
    let model = try #require(try fixture.store.model(StoreFixture.model))
    #expect(model.versions.map(\.version) == [1, 2])
    #expect(model.versions[0].manifest.metrics[0].value.isNaN)
    #expect(model.versions[0].manifest.seed == .max)
    let artifacts = try fixture.store.artifacts(of: second)
    #expect(artifacts.map(\.name.description) == ["weights.safetensors"])
    #expect(artifacts[0].file.text == "two")
    #expect(
      try fixture.entries("models/vision/mnist/2") == ["manifest.json", "weights.safetensors"])
    #expect(try fixture.entries("incoming").isEmpty)
  }

  @Test func identifiesContentNotTime() throws {
    let fixture = try StoreFixture()
    #expect(try fixture.publish("same").digest == fixture.publish("same").digest)
    let other = try StoreFixture()
    #expect(try other.publish("same").digest == fixture.publish("same").digest)
    let bytes = try Data(
      contentsOf: URL(fileURLWithPath: fixture.path + "/models/vision/mnist/1/manifest.json"))
    let digest = try Array(bytes).withUnsafeBytes { try SHA256.digest(of: $0) }
    #expect(try fixture.store.version(1, of: StoreFixture.model)?.digest == digest)
  }

  @Test func survivesAKill() throws {
    let fixture = try StoreFixture()
    let (job, _) = try fixture.store.insert(StoreFixture.job("job-1"))
    let record = try fixture.publish("one", finishing: job.id)
    try fixture.store.deploy(
      DeploymentRecord(model: record.model, version: 1, audit: StoreFixture.audit))
    try fixture.store.setAliases(
      [ResourceName(literal: "production")], of: record.model, to: record.version)
    let (reopened, directory) = try fixture.afterKill()
    let model = try #require(try reopened.model(record.model))
    #expect(model.versions.map(\.digest) == [record.digest])
    #expect(model.aliases == [ResourceName(literal: "production"): 1])
    #expect(try reopened.deployments().map(\.version) == [1])
    #expect(try reopened.artifacts(of: record).count == 1)
    let ended = try #require(try reopened.job(job.id))
    #expect(ended.state == .succeeded)
    #expect(ended.version == 1)
    #expect(ended.ended == StoreFixture.audit.created)
    withExtendedLifetime(directory) {}
  }

  @Test func endsAJobOnce() throws {
    let fixture = try StoreFixture()
    var (job, _) = try fixture.store.insert(StoreFixture.job("job-1"))
    job.state = .cancelled
    job.ended = StoreFixture.audit.created
    try fixture.store.update(job)
    let error = #expect(throws: StoreError.self) {
      try fixture.publish("late", finishing: job.id)
    }
    #expect(error?.code == .failedPrecondition)
    #expect(try fixture.store.model(StoreFixture.model) == nil)
    // The directory that the late version left is nobody's; the next version takes its place.
    #expect(try fixture.publish("next").version == 1)
    let artifacts = try fixture.store.artifacts(
      of: #require(try fixture.store.newestVersion(of: StoreFixture.model)))
    #expect(artifacts[0].file.text == "next")
  }

  @Test func noticesDamage() throws {
    let fixture = try StoreFixture()
    let record = try fixture.publish("weights")
    let file = fixture.path + "/models/vision/mnist/1/weights.safetensors"
    try FileManager.default.removeItem(atPath: file)
    try Data("Weights".utf8).write(to: URL(fileURLWithPath: file))
    let error = #expect(throws: StoreError.self) { try fixture.store.artifacts(of: record) }
    #expect(error?.code == .dataLoss)
    #expect(error?.message.contains(fixture.path) == false)
  }

  @Test func refusesANewerManifest() throws {
    let fixture = try StoreFixture()
    try fixture.publish()
    try fixture.store.database.write { database in
      try database.execute(
        sql: "UPDATE model_versions SET manifest = json_set(manifest, '$.format', 2)")
    }
    let error = #expect(throws: StoreError.self) {
      try fixture.store.version(1, of: StoreFixture.model)
    }
    #expect(error?.code == .failedPrecondition)
  }

  @Test func deploysWhatExists() throws {
    let fixture = try StoreFixture()
    let missing = DeploymentRecord(
      model: StoreFixture.model, version: 1, audit: StoreFixture.audit)
    #expect(throws: StoreError.self) { try fixture.store.deploy(missing) }
    try fixture.publish()
    try fixture.store.deploy(missing)
    try fixture.store.deploy(missing)
    #expect(try fixture.store.deployments() == [missing])
    try fixture.store.undeploy(1, of: StoreFixture.model)
    try fixture.store.undeploy(1, of: StoreFixture.model)
    #expect(try fixture.store.deployments().isEmpty)
  }

  @Test func movesAliasesTogether() throws {
    let fixture = try StoreFixture()
    try fixture.publish("one")
    try fixture.publish("two")
    let production = ResourceName(literal: "production")
    let canary = ResourceName(literal: "canary")
    try fixture.store.setAliases([production], of: StoreFixture.model, to: 1)
    #expect(throws: StoreError.self) {
      try fixture.store.setAliases([production, canary], of: StoreFixture.model, to: 3)
    }
    #expect(try fixture.store.version(alias: production, of: StoreFixture.model) == 1)
    #expect(try fixture.store.version(alias: canary, of: StoreFixture.model) == nil)
    try fixture.store.setAliases([production, canary], of: StoreFixture.model, to: 2)
    #expect(try fixture.store.version(alias: production, of: StoreFixture.model) == 2)
    #expect(try fixture.store.removeAlias(canary, of: StoreFixture.model))
    #expect(try !fixture.store.removeAlias(canary, of: StoreFixture.model))
  }
}
