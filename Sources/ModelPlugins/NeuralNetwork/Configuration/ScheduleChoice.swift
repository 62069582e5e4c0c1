// SPDX-License-Identifier: Apache-2.0
import Runtime

/// How the learning rate changes during a run, as a configuration says it.
struct ScheduleChoice: Sendable, Hashable {
  var course = LearningRateSchedule.Course.constant
  /// In epochs, of which parts count.
  var warmUpEpochs = 0.0

  enum Kind: String, Sendable, CaseIterable {
    case constant
    case step
    case exponential
    case cosine
    case oneCycle = "one_cycle"
    case reduceOnPlateau = "reduce_on_plateau"
  }

  /// The schedule for epochs of so many steps.
  func schedule(stepsPerEpoch: Int) -> LearningRateSchedule {
    LearningRateSchedule(
      course, warmUpSteps: Int((warmUpEpochs * Double(stepsPerEpoch)).rounded()))
  }

  /// Whether the losses of epochs decide.
  var looksAtLosses: Bool {
    if case .reduceOnPlateau = course { true } else { false }
  }
}

extension ScheduleChoice {
  /// Reads the settings that the kind has.
  init(_ json: JSONValue?, path: String, list: ViolationList) {
    guard json != nil else { return }
    let open = FieldReader(json, path: path, keys: Self.allKeys, list: ViolationList())
    let kind = open.choice("type", of: Kind.self, default: .constant) ?? .constant
    let fields = FieldReader(
      json, path: path, keys: ["type", "warmup_epochs"] + Self.settings(of: kind), list: list)
    _ = fields.choice("type", of: Kind.self, default: .constant)
    warmUpEpochs = fields.number(
      "warmup_epochs", "a number of epochs, 0 or more", default: 0
    ) { $0 >= 0 && $0 <= Double(NetworkConfiguration.Bounds.epochs.upperBound) }
    func factor(_ value: Double) -> Double {
      fields.number("factor", "a number above 0 and at most 1", default: value) {
        $0 > 0 && $0 <= 1
      }
    }
    func least() -> Double {
      fields.number("minimum", "a number of 0 or more", default: 0) { $0 >= 0 }
    }
    switch kind {
    case .constant: course = .constant
    case .step:
      course = .step(
        epochs: fields.integer("epochs", NetworkConfiguration.Bounds.epochs), factor: factor(0.1))
    case .exponential: course = .exponential(factor: factor(0.9))
    case .cosine: course = .cosine(minimum: least())
    case .oneCycle:
      let divisor = "a number of 1 or more"
      course = .oneCycle(
        risingFraction: fields.number(
          "rising_fraction", "a number above 0 and below 1", default: 0.3
        ) { $0 > 0 && $0 < 1 },
        initialDivisor: fields.number("initial_divisor", divisor, default: 25) { $0 >= 1 },
        finalDivisor: fields.number("final_divisor", divisor, default: 10_000) { $0 >= 1 })
    case .reduceOnPlateau:
      course = .reduceOnPlateau(
        factor: factor(0.1),
        patience: fields.integer("patience", 0...100_000, default: 10),
        threshold: fields.number(
          "threshold", "a number from 0 to below 1", default: 1e-4
        ) { $0 >= 0 && $0 < 1 }, minimum: least())
    }
  }

  /// The settings that the kind has, as JSON.
  var canonicalText: String {
    let warmUp = #""warmup_epochs":\#(warmUpEpochs)"#
    return switch course {
    case .constant: #"{"type":"constant",\#(warmUp)}"#
    case .step(let epochs, let factor):
      #"{"type":"step",\#(warmUp),"epochs":\#(epochs),"factor":\#(factor)}"#
    case .exponential(let factor): #"{"type":"exponential",\#(warmUp),"factor":\#(factor)}"#
    case .cosine(let minimum): #"{"type":"cosine",\#(warmUp),"minimum":\#(minimum)}"#
    case .oneCycle(let rising, let initial, let final):
      #"{"type":"one_cycle",\#(warmUp),"rising_fraction":\#(rising),"initial_divisor":\#(initial),"#
        + #""final_divisor":\#(final)}"#
    case .reduceOnPlateau(let factor, let patience, let threshold, let minimum):
      #"{"type":"reduce_on_plateau",\#(warmUp),"factor":\#(factor),"patience":\#(patience),"#
        + #""threshold":\#(threshold),"minimum":\#(minimum)}"#
    }
  }

  private static let allKeys =
    ["type", "warmup_epochs"] + Kind.allCases.flatMap { settings(of: $0) }

  private static func settings(of kind: Kind) -> [String] {
    switch kind {
    case .constant: []
    case .step: ["epochs", "factor"]
    case .exponential: ["factor"]
    case .cosine: ["minimum"]
    case .oneCycle: ["rising_fraction", "initial_divisor", "final_divisor"]
    case .reduceOnPlateau: ["factor", "patience", "threshold", "minimum"]
    }
  }
}

/// When a run ends before its last epoch, as a configuration says it.
struct EarlyStoppingChoice: Sendable, Hashable {
  var rule: EarlyStopping
  /// Whether the run ends with the parameters of its best epoch.
  var restoresBest: Bool

  /// Reads the settings; all have defaults.
  init(_ json: JSONValue, path: String, list: ViolationList) {
    let fields = FieldReader(
      json, path: path, keys: ["patience", "min_delta", "restore_best"], list: list)
    rule = EarlyStopping(
      patience: fields.integer("patience", 1...100_000, default: 5),
      minimumDelta: fields.number("min_delta", "a number of 0 or more", default: 0) { $0 >= 0 })
    restoresBest = fields.bool("restore_best", default: true)
  }

  /// The settings as JSON.
  var canonicalText: String {
    #"{"patience":\#(rule.patience),"min_delta":\#(rule.minimumDelta),"#
      + #""restore_best":\#(restoresBest)}"#
  }
}

extension GradientRules {
  /// Reads `regularization` and `gradient_clipping` of a configuration.
  init(of fields: FieldReader, list: ViolationList) {
    let penalties = FieldReader(
      fields["regularization"], path: fields.field("regularization"), keys: ["l1", "l2"],
      list: list)
    func penalty(_ key: String) -> Float {
      Float(penalties.number(key, "a number of 0 or more", default: 0) { $0 >= 0 })
    }
    self.init(l1: penalty("l1"), l2: penalty("l2"))
    guard let json = fields["gradient_clipping"] else { return }
    let path = fields.field("gradient_clipping")
    let bounds = FieldReader(json, path: path, keys: ["norm", "value"], list: list)
    func bound(_ key: String) -> Float {
      Float(bounds.number(key, "a number above 0", default: 1) { Float($0) > 0 })
    }
    switch (bounds["norm"], bounds["value"]) {
    case (.some, nil): clipping = .norm(bound("norm"))
    case (nil, .some): clipping = .value(bound("value"))
    default: list.add(path, "expected either norm or value")
    }
  }

  /// The two as members of a configuration, in their order.
  var canonicalTexts: [String] {
    let penalties = #""regularization":{"l1":\#(l1),"l2":\#(l2)}"#
    return switch clipping {
    case .norm(let bound): [penalties, #""gradient_clipping":{"norm":\#(bound)}"#]
    case .value(let bound): [penalties, #""gradient_clipping":{"value":\#(bound)}"#]
    case nil: [penalties]
    }
  }
}
