// SPDX-License-Identifier: Apache-2.0

/// The type that a model's products are to be computed in.
public enum QuantizationType: String, Sendable, Hashable, CaseIterable {
  case bf16
  case int8
}

/// What a version in a narrower type is made of.
public struct QuantizationRequest: Sendable {
  /// The files of the version in single precision.
  public var artifacts: [Artifact]
  /// Its configuration.
  public var configuration: String
  /// The type wanted.
  public var type: QuantizationType
  /// Samples that show which values occur; int8 needs them.
  public var calibration: DataSetView?
  /// At most so many of them are looked at, evenly spread.
  public var maxSamples: Int

  /// Makes a request.
  public init(
    artifacts: [Artifact], configuration: String, type: QuantizationType,
    calibration: DataSetView?, maxSamples: Int
  ) {
    self.artifacts = artifacts
    self.configuration = configuration
    self.type = type
    self.calibration = calibration
    self.maxSamples = maxSamples
  }
}

/// A version in a narrower type.
public struct QuantizedModel: Sendable {
  /// Its files.
  public var artifacts: [Artifact]
  /// What was measured on the calibration's samples; none without samples.
  public var metrics: [TrainingMetric]

  init(artifacts: [Artifact], metrics: [TrainingMetric]) {
    self.artifacts = artifacts
    self.metrics = metrics
  }
}

extension PluginImplementation {
  func quantize(
    _ request: QuantizationRequest, isCancelled: @Sendable () -> Bool
  ) throws(PluginError) -> QuantizedModel {
    throw PluginError(.unimplemented, "models of this plugin have one precision only")
  }
}

extension ModelPlugin {
  /// Makes the files of a version in a narrower type out of one in single precision.
  ///
  /// - Parameter isCancelled: asked between batches of the calibration.
  /// - Throws: `.unimplemented` where the plugin's models have one precision only, `.invalidArgument` for
  ///   calibration samples that are missing or not the model's, `.failedPrecondition` for a version that is
  ///   narrow already, `.cancelled`.
  public func quantize(
    _ request: QuantizationRequest, isCancelled: @Sendable () -> Bool
  ) throws(PluginError) -> QuantizedModel {
    try implementation.quantize(request, isCancelled: isCancelled)
  }
}
