// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The loss of a network with its settings; those that its type does not have stay at their defaults.
struct LossChoice: Sendable, Hashable {
  var type = LossType.crossEntropy
  var labelSmoothing = 0.0
  /// One for each class; empty for ones.
  var classWeights: [Double] = []
  var delta = 1.0
  var positiveWeight = 1.0

  enum LossType: String, Sendable, Hashable, CaseIterable {
    case crossEntropy = "cross_entropy"
    case binaryCrossEntropy = "binary_cross_entropy"
    case meanSquaredError = "mean_squared_error"
    case meanAbsoluteError = "mean_absolute_error"
    case huber
    case hinge
    case kullbackLeibler = "kullback_leibler"
  }

  /// What a label is.
  enum Labels {
    /// An integer a sample.
    case classes
    /// Numbers, as many a sample as the network answers, or integers where they say 0 or 1.
    case signs
    /// Numbers, as many a sample as the network answers.
    case targets
  }

  /// What is made of the last layer's values before they are served.
  enum Answer {
    case softmax
    case sigmoid
    case none
  }

  var labels: Labels {
    switch type {
    case .crossEntropy: .classes
    case .binaryCrossEntropy, .hinge: .signs
    case .meanSquaredError, .meanAbsoluteError, .huber, .kullbackLeibler: .targets
    }
  }

  var answer: Answer {
    switch type {
    case .crossEntropy, .kullbackLeibler: .softmax
    case .binaryCrossEntropy: .sigmoid
    case .meanSquaredError, .meanAbsoluteError, .huber, .hinge: .none
    }
  }

  /// The loss of the runtime between values and targets; nil for what takes classes.
  var elementLoss: ElementLoss? {
    switch type {
    case .crossEntropy: nil
    case .binaryCrossEntropy: .binaryCrossEntropy(positiveWeight: Float(positiveWeight))
    case .meanSquaredError: .squared
    case .meanAbsoluteError: .absolute
    case .huber: .huber(delta: Float(delta))
    case .hinge: .hinge
    case .kullbackLeibler: .kullbackLeibler
    }
  }
}

extension LossChoice {
  /// Reads the type alone, as a string, or an object with settings.
  init(_ json: JSONValue?, path: String, list: ViolationList) {
    if case .string(let name)? = json, let type = LossType(rawValue: name) {
      self.type = type
      return
    }
    guard case .object(let members)? = json else {
      guard let json else { return }
      let names = LossType.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      list.add(path, "expected one of \(names), or an object with its type; came \(json.excerpt)")
      return
    }
    let type = FieldReader(json, path: path, keys: members.map(\.key), list: list)
      .choice("type", of: LossType.self)
    guard let type else { return }
    self.type = type
    let fields = FieldReader(json, path: path, keys: ["type"] + Self.settings(of: type), list: list)
    labelSmoothing = fields.number(
      "label_smoothing", "a number from 0 to below 1", default: labelSmoothing
    ) { $0 >= 0 && Float($0) < 1 }
    classWeights = fields.numbers("class_weights", "numbers of 0 or more") { $0 >= 0 }
    delta = fields.number("delta", "a number above 0", default: delta) { Float($0) > 0 }
    positiveWeight = fields.number(
      "positive_weight", "a number above 0", default: positiveWeight
    ) { Float($0) > 0 }
  }

  /// The setting as JSON: the type alone where there is nothing else to say.
  var canonicalText: String {
    let weights = classWeights.map { "\($0)" }.joined(separator: ",")
    let settings =
      switch type {
      case .crossEntropy:
        #","label_smoothing":\#(labelSmoothing),"class_weights":[\#(weights)]"#
      case .binaryCrossEntropy: #","positive_weight":\#(positiveWeight)"#
      case .huber: #","delta":\#(delta)"#
      default: ""
      }
    return self == LossChoice(type: type)
      ? #""\#(type.rawValue)""# : #"{"type":"\#(type.rawValue)"\#(settings)}"#
  }

  private static func settings(of type: LossType) -> [String] {
    switch type {
    case .crossEntropy: ["label_smoothing", "class_weights"]
    case .binaryCrossEntropy: ["positive_weight"]
    case .huber: ["delta"]
    case .meanSquaredError, .meanAbsoluteError, .hinge, .kullbackLeibler: []
    }
  }
}

extension FieldReader {
  /// A list of numbers that `accepts` takes, at most one for each class that a network may have; empty where
  /// there is none.
  func numbers(
    _ key: String, _ expectation: String, where accepts: (Double) -> Bool
  ) -> [Double] {
    guard let json = self[key] else { return [] }
    let most = NetworkConfiguration.Bounds.width.upperBound
    guard case .array(let elements) = json, elements.count <= most else {
      refuse(key, "expected a list of at most \(most) \(expectation), came \(json.excerpt)")
      return []
    }
    return elements.compactMap { element in
      guard case .number(let number, _) = element, Float(number).isFinite, accepts(number) else {
        refuse(key, "expected a list of \(expectation), came \(element.excerpt) in it")
        return nil
      }
      return number
    }
  }
}
