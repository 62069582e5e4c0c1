// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What tensors a data set has: `<split>/<role>`, for example `train/images` and `test/labels`.
public struct DataSetDescription: Sendable, Hashable {
  /// The tensors; the first extent of each is its split's number of samples.
  public var tensors: [TensorSpecification]

  /// Makes a description.
  public init(tensors: [TensorSpecification]) {
    self.tensors = tensors
  }

  /// The tensor of that name.
  public subscript(name: String) -> TensorSpecification? {
    tensors.first { $0.name == name }
  }
}

/// A data set in memory: its description and the bytes of its tensors.
public struct DataSetView: Sendable {
  /// What tensors there are.
  public let description: DataSetDescription
  // SAFETY: immutable for as long as `owner` lives, so that they may be read from any thread.
  nonisolated(unsafe) private let contents: [UnsafeRawBufferPointer]
  /// What keeps the bytes alive, usually a mapping of the data set's file.
  public let owner: any AnyObject & Sendable

  /// Makes a view of tensors whose bytes stay in place and unchanged while `owner` lives.
  ///
  /// - Throws: `.invalidArgument` when a tensor's bytes are not as many as its type and shape say,
  ///   when two tensors have one name, or when the tensors of a split differ in their samples.
  public init(
    tensors: [(specification: TensorSpecification, bytes: UnsafeRawBufferPointer)],
    owner: any AnyObject & Sendable
  ) throws(PluginError) {
    var samples: [Substring: Int] = [:]
    var names: Set<String> = []
    for (tensor, bytes) in tensors {
      let field = "dataset[\"\(tensor.name)\"]"
      guard names.insert(tensor.name).inserted else {
        throw PluginError(field: field, "expected one tensor of this name, came two")
      }
      if tensor.datatype.byteCount != nil {
        guard let expected = Extents.byteCount(tensor.shape, of: tensor.datatype) else {
          throw PluginError(field: field, "shape \(tensor.shape) is not a valid shape")
        }
        guard bytes.count == expected else {
          throw PluginError(
            field: field,
            "expected \(expected) bytes for \(tensor.datatype.rawValue) \(tensor.shape),"
              + " came \(bytes.count)")
        }
      }
      guard let count = tensor.shape.first, count >= 0 else {
        throw PluginError(field: field, "expected a first extent, the number of samples")
      }
      let split = tensor.name.prefix { $0 != "/" }
      // A dictionary's extent is the length of its text.
      if split == TableSchema.dictionarySplit { continue }
      if let others = samples[split], others != count {
        throw PluginError(
          field: field, "expected \(others) samples as in the rest of \(split)/, came \(count)")
      }
      samples[split] = count
    }
    self.description = DataSetDescription(tensors: tensors.map(\.specification))
    self.contents = tensors.map(\.bytes)
    self.owner = owner
  }

  /// A data set without tensors, for plugins that train without one.
  public static let none = DataSetView()

  private init() {
    description = DataSetDescription(tensors: [])
    contents = []
    owner = ByteBox([])
  }

  /// The bytes of the tensor of that name, valid while the view or its owner lives.
  public func bytes(of name: String) -> UnsafeRawBufferPointer? {
    description.tensors.firstIndex { $0.name == name }.map { contents[$0] }
  }

  /// The bytes of every tensor, in the order of the description.
  public var bytes: [UnsafeRawBufferPointer] { contents }
}
