// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Labels of a decision between two, as the numbers that its loss takes.
enum SignReader {
  /// Reads all labels: integers of 0 and 1, or numbers.
  ///
  /// - Returns: for `binary_cross_entropy` numbers from 0 to 1, for `hinge` -1 and 1.
  /// - Throws: `.invalidArgument` about `configuration.label_tensor` for any other label.
  static func read(
    _ bytes: UnsafeRawBufferPointer, _ datatype: DataType, for type: LossChoice.LossType,
    name: String
  ) throws(PluginError) -> [Float] {
    let field = "configuration.label_tensor"
    let isHinge = type == .hinge
    guard datatype == .fp32 else {
      let labels = try LabelReader.read(bytes, datatype, classes: 2, name: name, field: field)
      return labels.map { isHinge && $0 == 0 ? -1 : Float($0) }
    }
    let size = MemoryLayout<Float>.size
    var numbers = [Float](repeating: 0, count: bytes.count / size)
    for index in numbers.indices {
      let number = bytes.loadUnaligned(fromByteOffset: index * size, as: Float.self)
      guard isHinge ? abs(number) == 1 : (0...1).contains(number) else {
        throw PluginError(
          field: field,
          "\(type.rawValue) expects \(isHinge ? "-1 or 1" : "0 to 1"), but element \(index) of"
            + " \(name) is \(number)")
      }
      numbers[index] = number
    }
    return numbers
  }
}
