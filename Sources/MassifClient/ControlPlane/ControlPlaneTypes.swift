// SPDX-License-Identifier: Apache-2.0
public import MassifAPI

/// An immutable, content-addressed data set.
public typealias DataSet = Massif_V1_DataSet
/// A training job.
public typealias Job = Massif_V1_Job
/// What a training job does.
public typealias TrainingSpecification = Massif_V1_TrainingSpecification
/// A model and its versions.
public typealias Model = Massif_V1_Model
/// One version of a model.
public typealias ModelVersion = Massif_V1_ModelVersion
/// The type that a version's products are computed in.
public typealias QuantizationType = Massif_V1_QuantizationType
/// What a version learned: the content of one report, and the names of all.
public typealias ModelReport = Massif_V1_GetReportResponse
/// A model plugin.
public typealias Plugin = Massif_V1_Plugin
/// A recorded request and its response, which every later build of a plugin must give as well.
public typealias GoldenCase = Massif_V1_GoldenCase
/// What a move of deployed versions between builds came to.
public typealias PluginMove = Massif_V1_MovePluginResponse
/// Where a plugin's code runs.
public typealias PluginIsolation = Massif_V1_PluginIsolation

extension Massif_V1_JobState {
  /// Whether a job in this state changes no more.
  public var isFinal: Bool {
    switch self {
    case .succeeded, .failed, .cancelled: true
    default: false
    }
  }
}
