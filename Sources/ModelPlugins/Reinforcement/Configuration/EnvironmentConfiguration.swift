// SPDX-License-Identifier: Apache-2.0

/// Where an agent learns: `configuration.environment`.
struct EnvironmentConfiguration: Sendable, Hashable {
  /// The kinds of environment.
  enum Kind: Sendable, Hashable {
    case frozenLake(FrozenLake)
    case cliffWalking(CliffWalking)
    case taxi(Taxi)
    case cartPole
    /// The caller's own.
    case remote(RemoteConfiguration)
  }

  /// What is asked of the caller's environments.
  struct RemoteConfiguration: Sendable, Hashable {
    var observation: EnvironmentSpecification.Observation
    var actionCount: Int
    /// Whether an episode beyond the step limit fails the training instead of being cut off.
    var failsAtStepLimit: Bool
    var answerSeconds: Double
    var attachSeconds: Double
  }

  /// The word for each kind.
  enum Name: String, CaseIterable {
    case frozenLake = "frozen_lake"
    case cliffWalking = "cliff_walking"
    case taxi
    case cartPole = "cart_pole"
    case remote
  }

  var kind: Kind
  /// The most steps of an episode.
  var maxEpisodeSteps: Int
  /// How many environments make their steps together.
  var count: Int

  /// Reads and checks it.
  ///
  /// - Parameter allowed: the kinds that the family can learn in.
  /// - Returns: nil when something is wrong, which is noted then.
  init?(_ outer: FieldReader, _ list: ViolationList, allowed: [Name]) {
    let path = outer.field("environment")
    guard let value = outer["environment"] else {
      outer.refuse("environment", "expected an object, but it is missing")
      return nil
    }
    guard case .object(let members) = value, let type = members.first(where: { $0.key == "type" }),
      case .string(let word) = type.value, let name = Name(rawValue: word), allowed.contains(name)
    else {
      let words = allowed.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      let came =
        if case .object(let members) = value {
          members.first { $0.key == "type" }?.value.excerpt ?? "nothing"
        } else { value.excerpt }
      list.add(path + ".type", "expected one of \(words), came \(came)")
      return nil
    }
    func reader(_ keys: [String]) -> FieldReader {
      FieldReader(value, path: path, keys: ["type", "max_episode_steps"] + keys, list: list)
    }
    func limit(_ fields: FieldReader, default steps: Int) -> Int {
      fields.integer("max_episode_steps", 1...10_000_000, default: steps)
    }
    count = 1
    switch name {
    case .frozenLake:
      let fields = reader(["map", "slippery", "success_rate", "reward_schedule"])
      let lake = FrozenLake(fields)
      kind = .frozenLake(lake)
      maxEpisodeSteps = limit(fields, default: lake.map == FrozenLake.map8x8 ? 200 : 100)
    case .cliffWalking:
      let fields = reader(["slippery"])
      kind = .cliffWalking(CliffWalking(isSlippery: fields.bool("slippery", default: false)))
      maxEpisodeSteps = limit(fields, default: 1000)
    case .taxi:
      let fields = reader(["rainy", "rainy_probability"])
      kind = .taxi(
        Taxi(
          isRainy: fields.bool("rainy", default: false),
          rainyProbability: fields.probability("rainy_probability", default: 0.8)))
      maxEpisodeSteps = limit(fields, default: 200)
    case .cartPole:
      let fields = reader(["count"])
      kind = .cartPole
      count = fields.integer("count", 1...1024, default: 1)
      maxEpisodeSteps = limit(fields, default: 500)
    case .remote:
      let fields = reader([
        "count", "observation", "actions", "at_step_limit", "answer_timeout_seconds",
        "attach_timeout_seconds",
      ])
      kind = .remote(RemoteConfiguration(fields, list))
      count = fields.integer("count", 1...1024, default: 1)
      maxEpisodeSteps = limit(fields, default: 10_000)
    }
  }

  /// The table of a finite built-in environment.
  var table: TransitionTable? {
    switch kind {
    case .frozenLake(let lake): lake.table
    case .cliffWalking(let cliff): cliff.table
    case .taxi(let taxi): taxi.table
    case .cartPole, .remote: nil
    }
  }

  /// What is observed and done there.
  var specification: EnvironmentSpecification {
    switch kind {
    case .remote(let remote):
      return EnvironmentSpecification(
        observation: remote.observation, actionCount: remote.actionCount, count: count)
    case .cartPole:
      return EnvironmentSpecification(
        observation: .box([CartPole.observationCount]), actionCount: CartPole.actionCount,
        count: count)
    case .frozenLake(let lake):
      return EnvironmentSpecification(
        observation: .states(lake.map.count * (lake.map.first?.count ?? 1)), actionCount: 4,
        count: count)
    case .cliffWalking:
      return EnvironmentSpecification(observation: .states(48), actionCount: 4, count: count)
    case .taxi:
      return EnvironmentSpecification(observation: .states(500), actionCount: 6, count: count)
    }
  }

  /// What is asked of a caller; nil for what is built in.
  var demand: EnvironmentDemand? {
    guard case .remote(let remote) = kind else { return nil }
    return EnvironmentDemand(
      specification: specification,
      answerLimit: .milliseconds(Int64(remote.answerSeconds * 1000)),
      attachLimit: .milliseconds(Int64(remote.attachSeconds * 1000)))
  }

  /// The bound on an episode.
  var stepLimit: StepLimit {
    if case .remote(let remote) = kind {
      return StepLimit(steps: maxEpisodeSteps, isFatal: remote.failsAtStepLimit)
    }
    return StepLimit(steps: maxEpisodeSteps)
  }
}

extension FrozenLake {
  /// The longest side of a map.
  private static let maxSide = 64

  fileprivate init(_ fields: FieldReader) {
    self.init()
    map = fields.map("map", maxSide: Self.maxSide)
    isSlippery = fields.bool("slippery", default: true)
    successRate = fields.probability("success_rate", default: 1.0 / 3.0)
    if let rewards = fields["reward_schedule"] {
      if case .array(let elements) = rewards, elements.count == 3 {
        self.rewards = elements.compactMap {
          if case .number(let value, _) = $0 { value } else { nil }
        }
      }
      if self.rewards.count != 3 || !self.rewards.allSatisfy({ abs($0) <= 1e6 })
        || rewards.elementCount != 3
      {
        fields.refuse(
          "reward_schedule",
          "expected three numbers, for the goal, a hole and anything else, came \(rewards.excerpt)")
        self.rewards = [1, 0, 0]
      }
    }
  }
}

extension EnvironmentConfiguration.RemoteConfiguration {
  private enum Space: String, CaseIterable {
    case states
    case box
  }

  private enum AtLimit: String, CaseIterable {
    case fail
    case truncate
  }

  fileprivate init(_ fields: FieldReader, _ list: ViolationList) {
    let space = FieldReader(
      fields["observation"], path: fields.field("observation"), keys: ["type", "count", "shape"],
      list: list)
    switch space.choice("type", of: Space.self) ?? .states {
    case .states: observation = .states(space.integer("count", 1...1 << 22))
    case .box:
      let maxCount = EnvironmentSpecification.maxElementCount
      let shape = space.extents("shape", maxElementCount: maxCount) ?? [1]
      observation = .box(shape)
    }
    actionCount = fields.integer("actions", 2...1024)
    failsAtStepLimit = fields.choice("at_step_limit", default: AtLimit.fail) == .fail
    answerSeconds = fields.number(
      "answer_timeout_seconds", "a number from 0.1 to 3600", default: 30
    ) { (0.1...3600).contains($0) }
    attachSeconds = fields.number(
      "attach_timeout_seconds", "a number from 0.1 to 86400", default: 300
    ) { (0.1...86400).contains($0) }
  }
}

extension EnvironmentSpecification {
  /// Numbers in one observation at most.
  static let maxElementCount = 1 << 16
}

extension FieldReader {
  /// A shape of one to four extents; nil, and noted, where it is none.
  func extents(_ key: String, maxElementCount: Int) -> [Int]? {
    if case .array(let elements)? = self[key], (1...4).contains(elements.count) {
      let shape = elements.compactMap { element -> Int? in
        guard case .number(_, let text) = element, let extent = Int(text), extent >= 1 else {
          return nil
        }
        return extent
      }
      if shape.count == elements.count, let count = Extents.product(shape),
        count <= maxElementCount
      {
        return shape
      }
    }
    refuse(
      key,
      "expected 1 to 4 extents of 1 or more, at most \(maxElementCount) elements, came"
        + " \(self[key]?.excerpt ?? "nothing")")
    return nil
  }

  /// A number from 0 to 1.
  func probability(_ key: String, default value: Double) -> Double {
    number(key, "a number from 0 to 1", default: value) { (0...1).contains($0) }
  }

  /// The name of a map, or its rows.
  fileprivate func map(_ key: String, maxSide: Int) -> [String] {
    switch self[key] {
    case nil, .string("4x4")?: return FrozenLake.map4x4
    case .string("8x8")?: return FrozenLake.map8x8
    case .array(let elements)?:
      let rows = elements.compactMap { if case .string(let row) = $0 { row } else { nil } }
      let letters = rows.joined()
      if rows.count == elements.count, (1...maxSide).contains(rows.count),
        let width = rows.first?.count, (1...maxSide).contains(width),
        rows.allSatisfy({ $0.count == width }), letters.allSatisfy({ "SFHG".contains($0) }),
        letters.contains("S"), letters.contains("G")
      {
        return rows
      }
    default: break
    }
    refuse(
      key,
      "expected \"4x4\", \"8x8\" or up to \(maxSide) rows of S, F, H and G, equally long, with an S"
        + " and a G; came \(self[key]?.excerpt ?? "nothing")")
    return FrozenLake.map4x4
  }
}

extension JSONValue {
  /// How many elements an array has; nil for anything else.
  fileprivate var elementCount: Int? {
    if case .array(let elements) = self { elements.count } else { nil }
  }
}
