// SPDX-License-Identifier: Apache-2.0

/// A model's answer.
public struct InferenceResult: Sendable {
  /// The model that answered.
  public let model: String
  /// Its version, as the server writes it.
  public let version: String
  /// The request's id, given back.
  public let id: String
  /// The outputs, in the model's order.
  public let outputs: [Tensor]

  /// The output with a name, or nil.
  public subscript(name: String) -> Tensor? {
    outputs.first { $0.name == name }
  }
}
