// SPDX-License-Identifier: Apache-2.0
public import MassifAPI
internal import SwiftProtobuf

/// The registry of models (`massif.v1.Models`).
///
/// Names are `team/model`, or `model` of the caller's own team.
public struct ModelsClient: Sendable {
  private static let service = "/massif.v1.Models/"
  let caller: Caller

  /// All models of a team; empty means the caller's.
  public func list(
    team: String = "", deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> [Model] {
    try await caller.pages(
      { (token) async throws(MassifError) in
        try await caller.unary(
          Self.service + "ListModels",
          Massif_V1_ListModelsRequest.with {
            $0.team = team
            $0.page.pageToken = token
          }, Massif_V1_ListModelsResponse.self, isRepeatable: true, deadline: deadline)
      }, \.models, next: \.nextPageToken)
  }

  /// One model with all its versions.
  public func get(
    _ name: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Model {
    try await caller.unary(
      Self.service + "GetModel", Massif_V1_GetModelRequest.with { $0.name = name }, Model.self,
      isRepeatable: true, deadline: deadline)
  }

  /// What a version learned, as its plugin wrote it down: `report.txt`, `report.json`, or a drawing
  /// named among the answer's `available`.
  ///
  /// Nil means the newest version.
  public func report(
    of name: String, version: Int64? = nil, artifact: String = "report.txt",
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> ModelReport {
    try await caller.unary(
      Self.service + "GetReport",
      Massif_V1_GetReportRequest.with {
        $0.name = name
        $0.version = version ?? 0
        $0.artifact = artifact
      }, ModelReport.self, isRepeatable: true, deadline: deadline)
  }

  /// Loads a version and keeps it loaded; answers when it serves.
  ///
  /// Nil means the newest.
  ///
  /// - Parameter aliases: moved to this version once it serves.
  public func deploy(
    _ name: String, version: Int64? = nil, aliases: [String] = [],
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> ModelVersion {
    try await caller.unary(
      Self.service + "DeployModel",
      Massif_V1_DeployModelRequest.with {
        $0.name = name
        $0.version = version ?? 0
        $0.aliases = aliases
      }, ModelVersion.self, isRepeatable: true, deadline: deadline)
  }

  /// Unloads a version after the requests in flight.
  ///
  /// Nil means the newest.
  public func undeploy(
    _ name: String, version: Int64? = nil, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> ModelVersion {
    try await caller.unary(
      Self.service + "UndeployModel",
      Massif_V1_UndeployModelRequest.with {
        $0.name = name
        $0.version = version ?? 0
      }, ModelVersion.self, isRepeatable: true, deadline: deadline)
  }

  /// Moves an alias to a loaded version; makes it when there is none of that name.
  public func setAlias(
    _ alias: String, of name: String, to version: Int64, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Model {
    try await caller.unary(
      Self.service + "SetAlias",
      Massif_V1_SetAliasRequest.with {
        $0.name = name
        $0.alias = alias
        $0.version = version
      }, Model.self, isRepeatable: true, deadline: deadline)
  }

  /// Removes an alias; the version that it named stays.
  public func deleteAlias(
    _ alias: String, of name: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Model {
    try await caller.unary(
      Self.service + "DeleteAlias",
      Massif_V1_DeleteAliasRequest.with {
        $0.name = name
        $0.alias = alias
      }, Model.self, isRepeatable: false, deadline: deadline)
  }

  /// Makes a version of a plugin's model that needs no training.
  ///
  /// Not repeated: each call makes a version.
  ///
  /// - Parameter configuration: a JSON object, checked by the plugin.
  public func createVersion(
    of name: String, plugin: String, configuration: String = "{}",
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> ModelVersion {
    try await caller.unary(
      Self.service + "CreateVersion",
      Massif_V1_CreateVersionRequest.with {
        $0.name = name
        $0.plugin = plugin
        $0.configuration = configuration
      }, ModelVersion.self, isRepeatable: false, deadline: deadline)
  }
  /// Makes a version whose products are computed in bf16 or int8 out of one in single precision.
  ///
  /// Not repeated: each call makes a version. Takes as long as the calibration does.
  ///
  /// - Parameters:
  ///   - version: nil means the newest.
  ///   - calibration: a data set whose `train` split shows which values occur; int8 needs one.
  ///   - maxSamples: at most so many of its samples are looked at; nil means the server's number.
  public func quantize(
    _ name: String, version: Int64? = nil, to type: QuantizationType, calibration: String = "",
    maxSamples: Int? = nil, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> ModelVersion {
    try await caller.unary(
      Self.service + "QuantizeModel",
      Massif_V1_QuantizeModelRequest.with {
        $0.name = name
        $0.version = version ?? 0
        $0.type = type
        $0.calibration = calibration
        $0.maxSamples = UInt64(clamping: maxSamples ?? 0)
      }, ModelVersion.self, isRepeatable: false, deadline: deadline)
  }
}
