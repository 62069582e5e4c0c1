// SPDX-License-Identifier: Apache-2.0

/// Bounds on a `ModelInferRequest`, checked before anything is allocated for it.
///
/// The message as a whole is bounded by the transport.
public struct InferLimits: Sendable, Hashable {
  /// What `inputs`, `outputs` and `raw_input_contents` may each hold; also the size of the tables
  /// in which a scan notes ranges, so not a setting.
  static let maxTensorCount = 64
  /// Dimensions of a tensor, the batch included; the plugin boundary has no room for more.
  static let maxRank = 8

  /// Entries of one `parameters` map.
  public var maxParameterCount = 64
  /// The request without its tensors' bytes.
  public var maxHeadByteCount = 64 << 10
  /// Memory that decoding the head may take from the heap.
  ///
  /// Twenty times the head, because an empty submessage is two bytes on the wire and about a
  /// hundred decoded.
  public var maxDecodedHeadByteCount = 2 << 20
  /// The `contents` of one input.
  ///
  /// Raw contents are bounded by the message alone; typed ones grow by up to eight times when
  /// decoded.
  public var maxTypedContentsByteCount = 16 << 20

  /// The defaults.
  public init() {}
}
