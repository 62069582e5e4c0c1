// SPDX-License-Identifier: Apache-2.0
import Runtime

extension Precision {
  /// The member `precision` of `model.json`; nil for single precision, which is not written.
  var json: JSONValue? {
    switch self {
    case .fp32: nil
    case .bf16: .object([.init(key: "type", value: .string("bf16"))])
    case .int8(let ranges):
      .object([
        .init(key: "type", value: .string("int8")),
        .init(
          key: "ranges",
          value: .object(
            ranges.byWeights.sorted { $0.key < $1.key }.map { name, range in
              .init(
                key: name,
                value: .numbers([Double(range.lowerBound), Double(range.upperBound)]))
            })),
      ])
    }
  }

  /// Reads the member; what is not there is single precision.
  init(_ json: JSONValue?, path: String, list: ViolationList) {
    guard let json else {
      self = .fp32
      return
    }
    let fields = FieldReader(json, path: path, keys: ["type", "ranges"], list: list)
    guard fields.choice("type", of: QuantizationType.self) == .int8 else {
      self = .bf16
      return
    }
    var ranges = ActivationRanges()
    guard case .object(let members)? = fields["ranges"] else {
      fields.refuse(
        "ranges", "expected an object, came \(fields["ranges"]?.excerpt ?? "nothing")")
      self = .int8(ranges)
      return
    }
    for member in members {
      guard case .array(let ends) = member.value, ends.count == 2,
        case .number(let low, _) = ends[0], case .number(let high, _) = ends[1],
        Float(low).isFinite, Float(high).isFinite, low <= high
      else {
        fields.refuse(
          "ranges[\"\(member.key.prefix(64))\"]",
          "expected two numbers in ascending order, came \(member.value.excerpt)")
        continue
      }
      ranges.byWeights[member.key] = Float(low)...Float(high)
    }
    self = .int8(ranges)
  }
}
