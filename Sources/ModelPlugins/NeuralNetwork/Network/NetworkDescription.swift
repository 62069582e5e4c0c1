// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The artifact `model.json`: all that serving needs to know beside the weights.
struct NetworkDescription: Sendable, Hashable {
  var configuration: NetworkConfiguration
  var sample: Network.SampleType
  /// What its products are computed in.
  var precision: Precision

  static let artifactName = "model.json"
  static let weightsArtifactName = "weights.safetensors"
  private static let format = "massif.neural-network/1"

  init(
    configuration: NetworkConfiguration, sample: Network.SampleType, precision: Precision = .fp32
  ) {
    self.configuration = configuration
    self.sample = sample
    self.precision = precision
  }

  /// The artifact's text.
  var text: String {
    let shape = sample.shape.map(String.init).joined(separator: ",")
    let precision = precision.json.map { #""precision":\#($0.text),"# } ?? ""
    return #"{"format":"\#(Self.format)","# + precision
      + #""input":{"datatype":"\#(sample.datatype.rawValue)","shape":[\#(shape)]},"#
      + #""configuration":\#(configuration.canonicalText)}"#
  }

  /// Reads the artifact.
  ///
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  init(parsing text: String) throws(PluginError) {
    let name = Self.artifactName
    let list = ViolationList()
    let fields = FieldReader(
      try JSONValue(parsing: text, name: name), path: name,
      keys: ["format", "precision", "input", "configuration"], list: list)
    guard fields["format"] == .string(Self.format) else {
      throw PluginError(
        field: fields.field("format"),
        "expected \"\(Self.format)\", came \(fields["format"]?.excerpt ?? "nothing")")
    }
    let input = FieldReader(
      fields["input"], path: fields.field("input"), keys: ["datatype", "shape"], list: list)
    let datatype = input.choice("datatype", of: DataType.self) ?? .fp32
    let shape = input.extents("shape")
    precision = Precision(fields["precision"], path: fields.field("precision"), list: list)
    try list.check()
    guard let configuration = fields["configuration"] else {
      throw PluginError(field: fields.field("configuration"), "expected an object, came nothing")
    }
    self.configuration = try NetworkConfiguration(configuration)
    sample = Network.SampleType(datatype: datatype, shape: shape)
  }
}

extension FieldReader {
  /// An array of 1 to 3 extents; it must be there.
  fileprivate func extents(_ key: String) -> [Int] {
    guard case .array(let elements)? = self[key], (1...3).contains(elements.count) else {
      refuse(key, "expected an array of 1 to 3 integers, came \(self[key]?.excerpt ?? "nothing")")
      return []
    }
    return elements.compactMap { element in
      guard case .number(_, let text) = element, let extent = Int(text), extent >= 1 else {
        refuse(key, "expected integers of 1 or more, came \(element.excerpt)")
        return nil
      }
      return extent
    }
  }
}
