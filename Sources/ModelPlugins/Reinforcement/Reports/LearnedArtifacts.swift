// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The artifacts of the reinforcement-learning families.
enum LearnedArtifacts {
  static let weights = "weights.safetensors"
  static let model = "model.json"
  static let checkpoint = "checkpoint.safetensors"
  static let checkpointDescription = "checkpoint.json"

  /// Writes a text.
  static func write(
    _ text: String, as name: String, to writer: ArtifactSink
  ) throws(PluginError) {
    try write(Array(text.utf8), as: name, to: writer)
  }

  /// Writes bytes.
  static func write(
    _ bytes: [UInt8], as name: String, to writer: ArtifactSink
  ) throws(PluginError) {
    let box = ByteBox(bytes)
    try withExtendedLifetime(box) { () throws(PluginError) in
      try writer.append(box.bytes, to: name)
    }
  }

  /// Encodes tensors as a safetensors file.
  static func encode(
    _ tensors: [(name: String, datatype: DataType, shape: [Int], bytes: UnsafeRawBufferPointer)]
  ) throws(PluginError) -> [UInt8] {
    do throws(RuntimeError) {
      var items: [(item: SafetensorsWriter.Item, bytes: UnsafeRawBufferPointer)] = []
      for tensor in tensors {
        items.append(
          (try .init(tensor.name, tensor.datatype, Shape(tensor.shape)), tensor.bytes))
      }
      return try SafetensorsWriter.encode(items)
    } catch {
      throw PluginError(error)
    }
  }

  /// The artifact of that name.
  ///
  /// - Throws: `.failedPrecondition` when there is none.
  static func find(_ name: String, in artifacts: [Artifact]) throws(PluginError) -> Artifact {
    guard let artifact = artifacts.first(where: { $0.name == name }) else {
      throw PluginError(
        .failedPrecondition,
        "expected an artifact \(name), came \(artifacts.map(\.name).joined(separator: ", "))")
    }
    return artifact
  }
}

/// The tensors of a safetensors file, read by name, type and shape.
struct TensorFile {
  private let name: String
  private let bytes: UnsafeRawBufferPointer
  private let file: SafetensorsFile

  /// - Throws: `.dataLoss` for what is no safetensors file.
  init(_ artifact: Artifact) throws(PluginError) {
    name = artifact.name
    bytes = artifact.bytes
    do throws(RuntimeError) {
      file = try SafetensorsFile(parsing: artifact.bytes)
    } catch {
      throw PluginError(.dataLoss, "\(artifact.name): \(error)")
    }
  }

  /// The bytes of a tensor.
  ///
  /// - Parameter shape: what it must be; nil for any.
  /// - Throws: `.dataLoss` where it is missing or another.
  func tensor(
    _ tensor: String, _ datatype: DataType, shape: [Int]? = nil
  ) throws(PluginError) -> UnsafeRawBufferPointer {
    guard let entry = file[tensor], entry.datatype == datatype,
      shape.map({ $0 == entry.shape.dimensions }) ?? true
    else {
      let came = file[tensor].map { "\($0.datatype.rawValue) \($0.shape.dimensions)" } ?? "nothing"
      throw PluginError(
        .dataLoss,
        "\(name)[\"\(tensor)\"]: expected \(datatype.rawValue)"
          + "\(shape.map { " \($0)" } ?? ""), came \(came)")
    }
    return UnsafeRawBufferPointer(rebasing: bytes[entry.range])
  }

  /// The elements of a tensor.
  func elements<Element: BitwiseCopyable>(
    _ tensor: String, _ datatype: DataType, shape: [Int]? = nil, as type: Element.Type
  ) throws(PluginError) -> [Element] {
    let bytes = try self.tensor(tensor, datatype, shape: shape)
    let size = MemoryLayout<Element>.stride
    return (0..<bytes.count / size).map {
      bytes.loadUnaligned(fromByteOffset: $0 * size, as: Element.self)
    }
  }
}

/// What a checkpoint may only be restored into: `checkpoint.json`.
struct CheckpointDescription {
  let format: String
  let seed: UInt64
  let configuration: JSONValue
  /// The configuration's own text.
  let configurationText: String

  /// The artifact's text.
  func text(completedEpochs: Int) -> String {
    #"{"format":"\#(format)","completed_epochs":\#(completedEpochs),"seed":"\#(seed)","#
      + #""configuration":\#(configurationText)}"#
  }

  /// Reads the artifact: how many epochs were done.
  ///
  /// - Throws: `.failedPrecondition` for a checkpoint of another training.
  func read(_ artifact: Artifact, epochs: Int) throws(PluginError) -> Int {
    let list = ViolationList()
    let fields = FieldReader(
      try JSONValue(
        parsing: String(decoding: artifact.bytes, as: UTF8.self), name: artifact.name),
      path: artifact.name, keys: ["format", "completed_epochs", "seed", "configuration"],
      list: list)
    let completed = fields.integer("completed_epochs", 0...epochs)
    try list.check()
    guard fields["format"] == .string(format), fields["seed"] == .string("\(seed)"),
      fields["configuration"] == configuration
    else {
      throw PluginError(
        .failedPrecondition, "the checkpoint is of another configuration or seed than this run")
    }
    return completed
  }
}
