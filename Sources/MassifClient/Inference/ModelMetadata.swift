// SPDX-License-Identifier: Apache-2.0
internal import CProtobuf

/// What a served model is called, takes and gives.
public struct ModelMetadata: Sendable, Hashable {
  /// One input or output.
  public struct TensorMetadata: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The type of its elements.
    public let dataType: DataType
    /// The extents, with the batch dimension if the model batches; -1 for one that varies.
    public let shape: [Int]

    /// Makes a description of its parts.
    public init(name: String, dataType: DataType, shape: [Int]) {
      self.name = name
      self.dataType = dataType
      self.shape = shape
    }
  }

  /// The model's name.
  public let name: String
  /// The versions that are served.
  public let versions: [String]
  /// What runs it.
  public let platform: String
  /// The inputs.
  public let inputs: [TensorMetadata]
  /// The outputs.
  public let outputs: [TensorMetadata]

  init(_ response: Inference__ModelMetadataResponse) {
    name = String(field: response.name)
    versions = (0..<response.n_versions).map { String(field: response.versions[$0]) }
    platform = String(field: response.platform)
    inputs = (0..<response.n_inputs).compactMap { TensorMetadata(response.inputs[$0]?.pointee) }
    outputs = (0..<response.n_outputs).compactMap { TensorMetadata(response.outputs[$0]?.pointee) }
  }
}

extension ModelMetadata.TensorMetadata {
  init?(_ metadata: Inference__ModelMetadataResponse__TensorMetadata?) {
    guard let metadata else { return nil }
    self.init(
      name: String(field: metadata.name),
      dataType: DataType(rawValue: String(field: metadata.datatype)),
      shape: (0..<metadata.n_shape).map { Int(metadata.shape[$0]) })
  }
}
