// SPDX-License-Identifier: Apache-2.0
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf

/// Moves deployed versions from one build of a plugin to another, all of them or none.
struct PluginMover: Sendable {
  /// A version that is to be moved, or has been.
  struct Move: Sendable {
    var record: ModelVersionRecord
    var from: Digest?
  }

  let store: Store
  let plugins: PluginRegistry
  let server: any ModelServer
  let log: Logger

  /// Moves what other builds of the plugin serve to `target`.
  ///
  /// - Parameter cases: replayed besides those that are kept.
  /// - Throws: `.failedPrecondition` for a golden case that `target` answers otherwise, and what
  ///   loading throws; nothing has moved then.
  func move(
    to target: ModelPlugin, _ cases: [Massif_V1_GoldenCase]
  ) async throws -> [Move] {
    let name = try VersionPublisher.name(of: target)
    let all = try keptCases(of: name) + cases
    let moves = try await offload { [self] in
      try checkConfigurations(all, on: target)
      let moves = try candidates(name, target)
      for move in moves { try check(move, on: target, all) }
      return moves
    }
    let digest = Digest(hexadecimal: target.digest)
    var done: [Move] = []
    do {
      for move in moves where try await take(move, to: digest) { done.append(move) }
    } catch {
      for move in done.reversed() { await rollBack(move) }
      throw error
    }
    return done
  }

  /// Replays the cases that are about a configuration on a build that is being registered.
  func checkConfigurations(_ cases: [Massif_V1_GoldenCase], on target: ModelPlugin) throws {
    for (index, golden) in cases.enumerated() where golden.model.isEmpty {
      let model = try target.makeModel(artifacts: [], configuration: golden.configuration)
      try GoldenCheck.check(golden, on: model, name: "golden[\(index)]")
    }
  }

  /// The cases that were given with earlier builds or moves.
  func keptCases(of name: ResourceName) throws -> [Massif_V1_GoldenCase] {
    try store.goldenCases(of: name).map { try Massif_V1_GoldenCase(serializedBytes: $0) }
  }

  /// Keeps cases for all later builds.
  func keep(_ cases: [Massif_V1_GoldenCase], of name: ResourceName) throws {
    guard !cases.isEmpty else { return }
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    try store.addGoldenCases(
      cases.map { [options] in try $0.serializedBytes(options: options) }, of: name)
  }

  private func candidates(_ name: ResourceName, _ target: ModelPlugin) throws -> [Move] {
    try store.deployments().compactMap { deployment in
      guard let record = try store.version(deployment.version, of: deployment.model),
        record.manifest.plugin == name, let build = record.build,
        build.hexadecimal != target.digest
      else { return nil }
      return Move(record: record, from: record.servingBuild)
    }
  }

  /// Makes the version's model of the new build, beside the one that serves, and asks it.
  private func check(
    _ move: Move, on target: ModelPlugin, _ cases: [Massif_V1_GoldenCase]
  ) throws {
    let record = move.record
    let artifacts = try store.artifacts(of: record).map {
      Artifact(name: $0.name.description, bytes: $0.file.bytes, owner: $0.file)
    }
    let model = try target.makeModel(
      artifacts: artifacts, configuration: record.manifest.configuration)
    guard model.inputs.map({ TensorRecord($0) }) == record.manifest.inputs,
      model.outputs.map({ TensorRecord($0) }) == record.manifest.outputs
    else {
      throw RPCError(
        .failedPrecondition,
        "the new build takes or gives other tensors for \(record.model) version"
          + " \(record.version); publish a new version instead")
    }
    for (index, golden) in cases.enumerated()
    where golden.model == record.model.description
      && (golden.version == 0 || golden.version == record.version)
    {
      try GoldenCheck.check(
        golden, on: model,
        name: "golden[\(index)] on \(record.model) version \(record.version)")
    }
  }

  /// Lets the new build take over; false when the version is deployed no more.
  private func take(_ move: Move, to digest: Digest?) async throws -> Bool {
    let (model, version) = (move.record.model, move.record.version)
    return try await server.deployments.run(model) { [self] in
      guard
        try store.deployments().contains(where: { $0.model == model && $0.version == version })
      else { return false }
      try store.setServingBuild(digest, of: model, version: version)
      do {
        var record = move.record
        record.servingBuild = digest
        try await server.replace(record)
      } catch {
        try store.setServingBuild(move.from, of: model, version: version)
        throw error
      }
      return true
    }
  }

  private func rollBack(_ move: Move) async {
    let record = move.record
    do {
      try await server.deployments.run(record.model) { [self] in
        try store.setServingBuild(move.from, of: record.model, version: record.version)
        try await server.replace(record)
      }
    } catch {
      log.error("\(record.model) version \(record.version) could not be moved back: \(error)")
    }
  }
}
