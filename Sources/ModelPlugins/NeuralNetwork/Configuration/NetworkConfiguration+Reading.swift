// SPDX-License-Identifier: Apache-2.0
import Runtime

extension NetworkConfiguration {
  /// Bounds of what a configuration may ask for; the JSON Schema says the same.
  enum Bounds {
    static let layers = 1...256
    /// How deep residual layers may lie in one another.
    static let depth = 4
    static let rank = 3
    static let expansion = 1...16
    static let width = 1...65536
    static let window = 1...64
    static let recurrentLayers = 1...8
    static let entries = 1...(1 << 24)
    static let epochs = 1...100_000
    static let batchSize = 1...65536
    static let maxBatchSize = 1...4096
  }

  /// Reads and checks a configuration, field by field.
  ///
  /// - Throws: `.invalidArgument` with a violation for each field that is wrong.
  init(parsing text: String) throws(PluginError) {
    try self.init(try JSONValue(parsing: text, name: "configuration"))
  }

  /// The same for a value that has been parsed.
  init(_ json: JSONValue) throws(PluginError) {
    guard case .object = json else {
      throw PluginError(field: "configuration", "expected an object, came \(json.excerpt)")
    }
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: [
        "input", "augmentation", "layers", "preset", "loss", "optimizer", "regularization",
        "gradient_clipping", "schedule", "early_stopping", "monitor_split", "epochs", "batch_size",
        "input_tensor", "label_tensor",
        "serving",
      ], list: list)
    if let preset = fields["preset"] {
      layers = NetworkPreset(preset, path: fields.field("preset"), list: list)?.layers ?? []
      if fields["layers"] != nil {
        fields.refuse("preset", "expected either a preset or layers")
      }
    } else {
      (layers, frozenLayers) = Self.readLayers(fields, list)
    }
    input = Input(fields["input"], path: fields.field("input"), list: list)
    augmentation = Augmentation(
      fields["augmentation"], path: fields.field("augmentation"), list: list)
    loss = LossChoice(fields["loss"], path: fields.field("loss"), list: list)
    optimizer = OptimizerChoice(fields["optimizer"], path: fields.field("optimizer"), list: list)
    rules = GradientRules(of: fields, list: list)
    schedule = ScheduleChoice(fields["schedule"], path: fields.field("schedule"), list: list)
    earlyStopping = fields["early_stopping"].map {
      EarlyStoppingChoice($0, path: fields.field("early_stopping"), list: list)
    }
    monitorSplit = fields.name("monitor_split", default: monitorSplit)
    epochs = fields.integer("epochs", Bounds.epochs, default: epochs)
    batchSize = fields.integer("batch_size", Bounds.batchSize, default: batchSize)
    inputTensor = fields.name("input_tensor", default: inputTensor)
    labelTensor = fields.name("label_tensor", default: labelTensor)
    if inputTensor == labelTensor {
      fields.refuse("label_tensor", "expected another tensor than input_tensor")
    }
    let serving = FieldReader(
      fields["serving"], path: fields.field("serving"), keys: ["max_batch_size"], list: list)
    maxBatchSize = serving.integer(
      "max_batch_size", Bounds.maxBatchSize, default: maxBatchSize)
    try list.check()
  }

  private static func readLayers(
    _ fields: FieldReader, _ list: ViolationList
  ) -> (layers: [Layer], frozen: Set<Int>) {
    guard let json = fields["layers"] else {
      fields.refuse("layers", "expected an array of layers, but it is missing")
      return ([], [])
    }
    guard case .array(let elements) = json, Bounds.layers.contains(elements.count) else {
      fields.refuse(
        "layers",
        "expected an array of \(Bounds.layers.lowerBound) to \(Bounds.layers.upperBound) layers,"
          + " came \(json.excerpt)")
      return ([], [])
    }
    var frozen: Set<Int> = []
    let layers = elements.enumerated().compactMap { index, element -> Layer? in
      var isTrainable = true
      let layer = Layer(
        element, path: "\(fields.path).layers[\(index)]", list: list, depth: 0,
        isTrainable: &isTrainable)
      if !isTrainable { frozen.insert(index) }
      return layer
    }
    return (layers, frozen)
  }
}

extension NetworkConfiguration.Input {
  fileprivate init(_ json: JSONValue?, path: String, list: ViolationList) {
    let fields = FieldReader(json, path: path, keys: ["scale", "offset"], list: list)
    scale = fields.number("scale", "a number other than 0", default: scale) { Float($0) != 0 }
    offset = fields.number("offset", "a number", default: offset) { _ in true }
  }
}

extension NetworkConfiguration.Layer {
  /// Reads a layer; nil, and a violation, when its type is not known.
  init?(
    _ json: JSONValue, path: String, list: ViolationList, depth: Int, isTrainable: inout Bool
  ) {
    guard case .object(let members) = json else {
      list.add(path, "expected an object, came \(json.excerpt)")
      return nil
    }
    let type = FieldReader(json, path: path, keys: members.map(\.key), list: list)
      .choice("type", of: NetworkConfiguration.LayerType.self)
    guard let type else { return nil }
    let fields = FieldReader(
      json, path: path, keys: Self.keys(of: type) + (type.hasParameters ? ["trainable"] : []),
      list: list)
    if type.hasParameters { isTrainable = fields.bool("trainable", default: true) }
    let bounds = NetworkConfiguration.Bounds.self
    switch type {
    case .conv2d:
      self = .conv2d(
        filters: fields.integer("filters", bounds.width),
        kernel: fields.integer("kernel", bounds.window),
        stride: fields.integer("stride", bounds.window, default: 1),
        padding: fields.padding(), useBias: fields.bool("use_bias", default: true),
        activation: fields.activation(),
        dilation: fields.integer("dilation", bounds.window, default: 1),
        groups: fields.integer("groups", bounds.width, default: 1))
    case .maxPool2D:
      let size = fields.integer("size", bounds.window)
      self = .maxPool2D(
        size: size, stride: fields.integer("stride", bounds.window, default: size),
        padding: fields.padding())
    case .averagePool2D:
      let size = fields.integer("size", bounds.window)
      self = .averagePool2D(
        size: size, stride: fields.integer("stride", bounds.window, default: size),
        padding: fields.padding())
    case .flatten:
      self = .flatten
    case .dense:
      self = .dense(
        units: fields.integer("units", bounds.width),
        useBias: fields.bool("use_bias", default: true), activation: fields.activation())
    case .dropout:
      self = .dropout(
        rate: fields.number("rate", "a number from 0 to below 1", default: 0.5) {
          $0 >= 0 && Float($0) < 1
        })
    case .batchNorm:
      self = .batchNorm(
        epsilon: fields.number("epsilon", "a number above 0", default: 1e-5) { Float($0) > 0 },
        momentum: fields.number("momentum", "a number from 0 to 1", default: 0.1) {
          (0...1).contains($0)
        })
    case .conv1D:
      self = .conv1D(
        filters: fields.integer("filters", bounds.width),
        kernel: fields.integer("kernel", bounds.window),
        stride: fields.integer("stride", bounds.window, default: 1),
        padding: fields.choice("padding", of: SequencePadding.self, default: .valid) == .same
          ? .same : .valid,
        useBias: fields.bool("use_bias", default: true), activation: fields.activation(),
        dilation: fields.integer("dilation", bounds.window, default: 1),
        groups: fields.integer("groups", bounds.width, default: 1))
    case .layerNorm, .rmsNorm:
      let epsilon = fields.number("epsilon", "a number above 0", default: 1e-5) { Float($0) > 0 }
      self = type == .layerNorm ? .layerNorm(epsilon: epsilon) : .rmsNorm(epsilon: epsilon)
    case .globalAveragePool: self = .globalAveragePool
    case .activation:
      self = .activation(fields.choice("activation", of: Activation.self) ?? .relu)
    case .lstm: self = .recurrent(fields.recurrent(.lstm))
    case .gru: self = .recurrent(fields.recurrent(.gru))
    case .rnn:
      let activation =
        fields["activation"] == nil ? .tanh : fields.choice("activation", of: Activation.self)
      if activation?.isRecurrent == false {
        let names = Activation.allCases.filter(\.isRecurrent).map { "\"\($0.rawValue)\"" }
        fields.refuse("activation", "expected one of \(names.joined(separator: ", "))")
      }
      self = .recurrent(fields.recurrent(.simple(activation ?? .tanh)))
    case .embedding:
      self = .embedding(
        entries: fields.integer("entries", bounds.entries),
        dimensions: fields.integer("dimensions", bounds.width))
    case .depthwiseConv2D:
      self = .depthwiseConv2D(
        kernel: fields.integer("kernel", bounds.window),
        stride: fields.integer("stride", bounds.window, default: 1), padding: fields.padding(),
        dilation: fields.integer("dilation", bounds.window, default: 1),
        useBias: fields.bool("use_bias", default: true), activation: fields.activation())
    case .transposedConv2D:
      self = .transposedConv2D(
        filters: fields.integer("filters", bounds.width),
        kernel: fields.integer("kernel", bounds.window),
        stride: fields.integer("stride", bounds.window, default: 1), padding: fields.padding(),
        useBias: fields.bool("use_bias", default: true), activation: fields.activation())
    case .upsample2D:
      let mode = fields.choice("mode", of: UpsamplingMode.self, default: .nearest)
      self = .upsample2D(
        factor: fields.integer("factor", bounds.window),
        mode: mode == .linear ? .linear : .nearest)
    case .groupNorm:
      self = .groupNorm(
        groups: fields.integer("groups", bounds.width),
        epsilon: fields.number("epsilon", "a number above 0", default: 1e-5) { Float($0) > 0 })
    case .globalMaxPool: self = .globalMaxPool
    case .permute: self = .permute(axes: fields.axes())
    case .positionEmbedding: self = .positionEmbedding
    case .selfAttention: self = .selfAttention(fields.attention())
    case .transformerBlock:
      self = .transformerBlock(
        NetworkConfiguration.Transformer(
          attention: fields.attention(),
          expansion: fields.integer("expansion", bounds.expansion, default: 4),
          activation: fields["activation"] == nil
            ? .gelu : fields.choice("activation", of: Activation.self) ?? .gelu))
    case .residual: self = .residual(Self.inner(fields, list, depth: depth + 1))
    }
  }

  /// The layers inside a residual one.
  private static func inner(
    _ fields: FieldReader, _ list: ViolationList, depth: Int
  ) -> [NetworkConfiguration.Layer] {
    let bounds = NetworkConfiguration.Bounds.self
    guard depth <= bounds.depth else {
      fields.refuse("layers", "expected residual layers at most \(bounds.depth) deep")
      return []
    }
    guard case .array(let elements) = fields["layers"], bounds.layers.contains(elements.count)
    else {
      fields.refuse(
        "layers",
        "expected an array of \(bounds.layers.lowerBound) to \(bounds.layers.upperBound) layers,"
          + " came \(fields["layers"].map(\.excerpt) ?? "nothing")")
      return []
    }
    return elements.enumerated().compactMap { index, element in
      let path = "\(fields.path).layers[\(index)]"
      var isTrainable = true
      let layer = NetworkConfiguration.Layer(
        element, path: path, list: list, depth: depth, isTrainable: &isTrainable)
      if !isTrainable {
        list.add("\(path).trainable", "expected it at the residual layer, for all layers inside")
      }
      return layer
    }
  }

  private static func keys(of type: NetworkConfiguration.LayerType) -> [String] {
    switch type {
    case .conv2d, .conv1D:
      [
        "type", "filters", "kernel", "stride", "padding", "use_bias", "activation", "dilation",
        "groups",
      ]
    case .maxPool2D, .averagePool2D: ["type", "size", "stride", "padding"]
    case .flatten, .globalAveragePool, .globalMaxPool, .positionEmbedding: ["type"]
    case .layerNorm, .rmsNorm: ["type", "epsilon"]
    case .dense: ["type", "units", "use_bias", "activation"]
    case .dropout: ["type", "rate"]
    case .batchNorm: ["type", "epsilon", "momentum"]
    case .activation: ["type", "activation"]
    case .lstm, .gru: ["type", "units", "layers", "bidirectional", "return_sequences"]
    case .rnn: ["type", "units", "layers", "bidirectional", "return_sequences", "activation"]
    case .embedding: ["type", "entries", "dimensions"]
    case .depthwiseConv2D:
      ["type", "kernel", "stride", "padding", "dilation", "use_bias", "activation"]
    case .transposedConv2D:
      ["type", "filters", "kernel", "stride", "padding", "use_bias", "activation"]
    case .upsample2D: ["type", "factor", "mode"]
    case .groupNorm: ["type", "groups", "epsilon"]
    case .permute: ["type", "axes"]
    case .selfAttention: ["type", "heads", "causal", "dropout"]
    case .transformerBlock: ["type", "heads", "causal", "dropout", "expansion", "activation"]
    case .residual: ["type", "layers"]
    }
  }
}

extension FieldReader {
  /// `"valid"`, `"same"`, or how many zeros on every side.
  fileprivate func padding() -> Padding {
    switch self["padding"] {
    case nil, .string("valid"): return .valid
    case .string("same"): return .same
    case .number(_, let text) where Int(text).map { (0...63).contains($0) } ?? false:
      return .symmetric(Int(text) ?? 0)
    case .some(let json):
      refuse(
        "padding", "expected \"valid\", \"same\" or an integer in 0...63, came \(json.excerpt)")
      return .valid
    }
  }

  fileprivate func recurrent(_ cell: RecurrentCell) -> NetworkConfiguration.Recurrent {
    NetworkConfiguration.Recurrent(
      cell: cell, units: integer("units", NetworkConfiguration.Bounds.width),
      layers: integer("layers", NetworkConfiguration.Bounds.recurrentLayers, default: 1),
      isBidirectional: bool("bidirectional", default: false),
      returnsSequences: bool("return_sequences", default: false))
  }

  fileprivate func attention() -> NetworkConfiguration.Attention {
    NetworkConfiguration.Attention(
      heads: integer("heads", NetworkConfiguration.Bounds.width),
      isCausal: bool("causal", default: false),
      dropout: number("dropout", "a number from 0 to below 1", default: 0) {
        $0 >= 0 && Float($0) < 1
      })
  }

  /// An order of the axes of a sample.
  fileprivate func axes() -> [Int] {
    var axes: [Int] = []
    if case .array(let elements) = self["axes"] {
      for case .number(_, let text) in elements { axes.append(Int(text) ?? -1) }
      let isOrder = axes.sorted() == Array(0..<elements.count)
      if isOrder, (1...NetworkConfiguration.Bounds.rank).contains(elements.count) { return axes }
    }
    let came = self["axes"].map(\.excerpt) ?? "nothing"
    refuse(
      "axes",
      "expected 1 to \(NetworkConfiguration.Bounds.rank) axes, each of 0, 1, ... once, came \(came)"
    )
    return [0]
  }

  /// An activation, or nil for `"none"` and where there is none.
  fileprivate func activation() -> Activation? {
    if self["activation"] == nil || self["activation"] == .string("none") { return nil }
    return choice("activation", of: Activation.self)
  }
}

/// How an upsampling layer makes pixels.
private enum UpsamplingMode: String, CaseIterable {
  case nearest
  case linear
}

/// What a convolution over sequences may pad with.
private enum SequencePadding: String, CaseIterable {
  case valid
  case same
}

extension Activation {
  /// Whether a recurrent layer takes it.
  fileprivate var isRecurrent: Bool { !slopeNeedsInput }
}
