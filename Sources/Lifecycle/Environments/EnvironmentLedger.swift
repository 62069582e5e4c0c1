// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import RPCServer

/// Which commands of a learner are not answered yet, and whether an answer may be taken.
///
/// Decides and performs nothing. A command stays here until its result is accepted, so it can be told
/// again to a client that comes back; a result is accepted once.
struct EnvironmentLedger: Sendable {
  let specification: EnvironmentSpecification
  private var outstanding: [Massif_V1_EnvironmentCommand?]
  private var answered: [UInt64]

  /// Numbers in an observation that are enough for any use over a network.
  static let maxByteCount = 4 << 20

  init(_ specification: EnvironmentSpecification) {
    self.specification = specification
    outstanding = Array(repeating: nil, count: specification.count)
    answered = Array(repeating: 0, count: specification.count)
  }

  /// Commands that a client has to be told, again or for the first time.
  var unanswered: [Massif_V1_EnvironmentCommand] { outstanding.compactMap { $0 } }

  /// Whether environments have changed by what the learner commanded.
  var hasBegun: Bool { answered.contains { $0 > 0 } }

  /// Takes in what the learner commands.
  ///
  /// - Throws: `.protocolViolation` for a command while another waits in the same environment.
  mutating func issue(_ commands: [Massif_V1_EnvironmentCommand]) throws(LifecycleError) {
    for command in commands {
      let index = Int(command.environment)
      guard outstanding.indices.contains(index), outstanding[index] == nil,
        command.number == answered[index] + 1
      else {
        throw LifecycleError(
          .protocolViolation, "a command to environment \(index) comes out of its turn")
      }
      outstanding[index] = command
    }
  }

  /// Accepts results, all of them or none.
  ///
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  mutating func accept(_ results: [Massif_V1_EnvironmentResult]) throws(RPCError) {
    var next = self
    for (position, result) in results.enumerated() {
      try next.accept(result, path: "results.results[\(position)]")
    }
    self = next
  }

  private mutating func accept(
    _ result: Massif_V1_EnvironmentResult, path: String
  ) throws(RPCError) {
    let index = Int(result.environment)
    guard outstanding.indices.contains(index) else {
      throw .invalidArgument(
        "\(path).environment", "expected 0..<\(specification.count), came \(index)")
    }
    guard let command = outstanding[index] else {
      throw .invalidArgument(
        "\(path).command",
        result.command <= answered[index]
          ? "environment \(index) has answered command \(result.command) already"
          : "environment \(index) has no command to answer, came an answer to \(result.command)")
    }
    guard result.command == command.number else {
      throw .invalidArgument(
        "\(path).command",
        "expected environment \(index) to answer command \(command.number), came"
          + " \(result.command)"
          + (result.command <= answered[index] ? ", which it has answered already" : ""))
    }
    if result.failure.isEmpty { try check(result, path: path) }
    outstanding[index] = nil
    answered[index] = command.number
  }

  private func check(
    _ result: Massif_V1_EnvironmentResult, path: String
  ) throws(RPCError) {
    guard result.reward.isFinite else {
      throw .invalidArgument("\(path).reward", "expected a finite number, came \(result.reward)")
    }
    switch (specification.observation, result.observation) {
    case (.states(let count), .state(let state)?):
      guard state < count else {
        throw .invalidArgument("\(path).state", "expected 0..<\(count), came \(state)")
      }
    case (.box(let shape), .box(let bytes)?):
      let expected = specification.elementCount * MemoryLayout<Float>.size
      guard bytes.count == expected else {
        throw .invalidArgument(
          "\(path).box",
          "expected \(expected) bytes for FP32 \(shape), came \(bytes.count)")
      }
      if let index = bytes.floats.firstIndex(where: { !$0.isFinite }) {
        throw .invalidArgument(
          "\(path).box", "expected finite numbers, came \(bytes.floats[index]) at \(index)")
      }
    case (.states, _):
      throw .invalidArgument("\(path).state", "expected the number of a state")
    case (.box(let shape), _):
      throw .invalidArgument("\(path).box", "expected FP32 \(shape)")
    }
  }

  /// Whether a client's environments are those that the learner asks for.
  ///
  /// - Throws: `.invalidArgument` with the path of the difference.
  func check(_ offered: EnvironmentSpecification) throws(RPCError) {
    let path = "attach.specification"
    let source = "as the job's configuration says"
    guard offered.count == specification.count else {
      throw .invalidArgument(
        "\(path).count", "expected \(specification.count), \(source), came \(offered.count)")
    }
    guard offered.actionCount == specification.actionCount else {
      throw .invalidArgument(
        "\(path).actions",
        "expected \(specification.actionCount), \(source), came \(offered.actionCount)")
    }
    guard offered.observation == specification.observation else {
      throw .invalidArgument(
        "\(path).observation",
        "expected \(specification.observation.words), \(source), came"
          + " \(offered.observation.words)")
    }
  }
}

extension EnvironmentSpecification.Observation {
  /// What it is, for messages.
  var words: String {
    switch self {
    case .states(let count): "\(count) states"
    case .box(let shape): "a box \(shape)"
    }
  }
}

extension EnvironmentSpecification {
  /// Reads what a client offers or a worker asks for; what makes no sense equals nothing.
  init(_ message: Massif_V1_EnvironmentSpecification) {
    let observation: Observation =
      switch message.observation {
      case .states(let count): .states(Int(count))
      case .box(let box): .box(box.shape.map { Int($0) })
      case nil: .states(0)
      }
    self.init(
      observation: observation, actionCount: Int(message.actions), count: Int(message.count))
  }
}

extension Massif_V1_EnvironmentSpecification {
  init(_ specification: EnvironmentSpecification) {
    self.init()
    count = UInt32(clamping: specification.count)
    actions = UInt32(clamping: specification.actionCount)
    switch specification.observation {
    case .states(let count): states = UInt32(clamping: count)
    case .box(let shape): box.shape = shape.map { UInt32(clamping: $0) }
    }
  }
}

extension Data {
  /// The bytes as little-endian FP32.
  var floats: [Float] {
    withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map {
        Float(
          bitPattern: UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
  }
}
