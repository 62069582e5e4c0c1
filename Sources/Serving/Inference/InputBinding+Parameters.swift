// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import Glibc

/// The parameters of a request. What would change the answer and is not supported is refused;
/// what is a hint, or the caller's own, is let pass.
extension InputBinding {
  /// - Returns: the request's `timeout`.
  func requestParameters() throws(ServingError) -> Duration? {
    var timeout: Duration?
    for position in 0..<head.pointee.n_parameters {
      guard let entry = head.pointee.parameters[position], let key = entry.pointee.key else {
        continue
      }
      if strcmp(key, "timeout") == 0 {
        guard let microseconds = integer(entry.pointee.value), microseconds >= 0 else {
          throw ServingError(
            field: "parameters.timeout", "expected a number of microseconds, 0 or more")
        }
        // 0: Triton's word for none.
        timeout = microseconds == 0 ? nil : .microseconds(microseconds)
      } else if strncmp(key, "sequence_", 9) == 0 {
        guard isNeutral(entry.pointee.value) else {
          throw ServingError(
            field: "parameters.\(String(field: key))",
            "sequences are not supported: the model keeps no state between requests")
        }
      }
    }
    return timeout
  }

  /// - Returns: the indices of `outputs`, or nil for all.
  func requestedOutputs() throws(ServingError) -> [Int]? {
    let count = head.pointee.n_outputs
    guard count > 0 else { return nil }
    var indices: [Int] = []
    indices.reserveCapacity(count)
    for position in 0..<count {
      guard let output = head.pointee.outputs[position] else { continue }
      let name = String(field: output.pointee.name)
      guard let index = signature.outputs.firstIndex(where: { $0.name == name }) else {
        let known = signature.outputs.map(\.name).joined(separator: ", ")
        throw ServingError(
          field: "outputs[\(position)].name",
          "expected one of \(known), came \(name.isEmpty ? "none" : name)")
      }
      guard !indices.contains(index) else {
        throw ServingError(
          field: "outputs[\(position)].name", "expected each output once, \(name) came twice")
      }
      indices.append(index)
      for each in 0..<output.pointee.n_parameters {
        guard let key = output.pointee.parameters[each]?.pointee.key else { continue }
        guard strcmp(key, "classification") != 0, strncmp(key, "shared_memory_", 14) != 0 else {
          throw ServingError(
            .unimplemented,
            "outputs[\(position)].parameters.\(String(field: key)) is not supported; ask for the"
              + " tensor itself")
        }
      }
    }
    return indices
  }

  func refuseInputParameters(
    _ input: UnsafeMutablePointer<Input>, at position: Int
  ) throws(ServingError) {
    for each in 0..<input.pointee.n_parameters {
      guard let key = input.pointee.parameters[each]?.pointee.key else { continue }
      guard strncmp(key, "shared_memory_", 14) != 0 else {
        throw ServingError(
          .unimplemented,
          "inputs[\(position)].parameters.\(String(field: key)): shared memory is not supported;"
            + " send the tensor's bytes")
      }
    }
  }

  private func integer(_ value: UnsafeMutablePointer<Inference__InferParameter>?) -> Int64? {
    guard let value else { return nil }
    switch value.pointee.parameter_choice_case {
    case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM: return value.pointee.int64_param
    case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM:
      return Int64(exactly: value.pointee.uint64_param)
    default: return nil
    }
  }

  /// Whether a parameter says no more than its absence: 0, false or the empty text.
  private func isNeutral(_ value: UnsafeMutablePointer<Inference__InferParameter>?) -> Bool {
    guard let value else { return true }
    switch value.pointee.parameter_choice_case {
    case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM:
      return value.pointee.bool_param == 0
    case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM:
      return String(field: value.pointee.string_param).isEmpty
    case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_DOUBLE_PARAM:
      return value.pointee.double_param == 0
    case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE__NOT_SET: return true
    default: return integer(value) == 0
    }
  }
}
