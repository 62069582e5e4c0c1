// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Which rows and columns a round learns from: functions of the seed, the round and the row.
struct BoostingRows: Sendable {
  /// The rows that are never learned from, but tell when to stop.
  let isValidation: [Bool]
  /// All other rows, ascending.
  let training: [UInt32]
  private let seed: UInt64
  private let instructionSet: InstructionSet

  // Streams of one seed: rounds count up from zero, twice each; the validation rows are far away.
  private static let validationStream = UInt64.max - 1

  /// - Throws: `.invalidArgument` when no row is left to learn from or to validate on.
  init(
    count: Int, validationFraction: Double?, seed: UInt64, instructionSet: InstructionSet
  ) throws(PluginError) {
    self.seed = seed
    self.instructionSet = instructionSet
    if let validationFraction {
      isValidation = Self.chosen(
        count, share: validationFraction,
        Philox(key: seed, stream: Self.validationStream), instructionSet)
    } else {
      isValidation = Array(repeating: false, count: count)
    }
    training = (0..<UInt32(count)).filter { [isValidation] in !isValidation[Int($0)] }
    guard !training.isEmpty, validationFraction == nil || training.count < count else {
      throw PluginError(
        field: "configuration.early_stopping.validation_fraction",
        "expected a share that leaves rows on both sides, of \(count) rows none are left on one")
    }
  }

  /// The rows of a round, and all others.
  func rows(ofRound round: Int, share: Double) -> (rows: [UInt32], others: [UInt32]) {
    let count = isValidation.count
    guard share < 1 else {
      let others = (0..<UInt32(count)).filter { isValidation[Int($0)] }
      return (training, others)
    }
    let stream = Philox(key: seed, stream: UInt64(round) * 2)
    let chosen = Self.chosen(count, share: share, stream, instructionSet)
    let rows = training.filter { chosen[Int($0)] }
    // A round without rows would say nothing; it takes them all.
    guard !rows.isEmpty else { return (training, []) }
    let others = (0..<UInt32(count)).filter { isValidation[Int($0)] || !chosen[Int($0)] }
    return (rows, others)
  }

  /// Which columns a tree may split.
  func columns(ofRound round: Int, output: Int, count: Int, share: Double) -> [Bool] {
    guard share < 1 else { return Array(repeating: true, count: count) }
    let words = Philox(key: seed, stream: UInt64(round) * 2 + 1)
    // A key of the round's, whose streams are the outputs.
    let key = UInt64(words.word(at: 0)) << 32 | UInt64(words.word(at: 1))
    let order = Philox(key: key, stream: UInt64(output)).permutation(count)
    var isAllowed = Array(repeating: false, count: count)
    for column in order.prefix(max(1, Int((Double(count) * share).rounded(.up)))) {
      isAllowed[column] = true
    }
    return isAllowed
  }

  /// Each row on its own, with a probability of `share`.
  private static func chosen(
    _ count: Int, share: Double, _ stream: Philox, _ instructionSet: InstructionSet
  ) -> [Bool] {
    var words = [UInt32](repeating: 0, count: count)
    words.withUnsafeMutableBufferPointer { stream.fill($0, first: 0, on: instructionSet) }
    let bound = UInt64(share * 4_294_967_296)
    return words.map { UInt64($0) < bound }
  }
}
