// SPDX-License-Identifier: Apache-2.0

/// One parser that is fed bytes nobody has vouched for, and what must hold of it whatever they are.
///
/// The same entries run under libFuzzer (`make fuzz`) and, with the corpus and a bounded number of
/// mutations of it, as an ordinary test (`FuzzTests`).
struct FuzzEntry: Sendable {
  /// What the entry is called on the command line; its corpus is `Fuzz/Corpus/<name>`.
  let name: String
  /// Longer inputs find nothing that shorter ones do not, and are slow.
  let maxByteCount: Int
  private let body: @Sendable (UnsafeRawBufferPointer) throws -> Void

  init(
    _ name: String, maxByteCount: Int = 4096,
    _ body: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.name = name
    self.maxByteCount = maxByteCount
    self.body = body
  }

  /// Feeds the parser.
  ///
  /// A refusal is what most inputs deserve and no error here.
  ///
  /// - Throws: `FuzzFinding` where something does not hold that must.
  func run(_ bytes: UnsafeRawBufferPointer) throws { try body(bytes) }
}

/// Something that must hold of a parser and did not.
struct FuzzFinding: Error, CustomStringConvertible {
  let description: String
}

/// Sees to it that something holds.
///
/// - Throws: `FuzzFinding` where it does not.
func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(FuzzFinding) {
  if !holds { throw FuzzFinding(description: what()) }
}

/// Bytes from which an entry takes its choices first; the rest goes to the parser.
struct FuzzInput {
  private(set) var rest: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

  /// The next byte; 0 where none is left, so that short inputs are inputs too.
  mutating func byte() -> UInt8 {
    guard let first = rest.first else { return 0 }
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
    return first
  }

  /// The next eight bytes as an integer.
  mutating func integer() -> Int64 {
    var value: Int64 = 0
    for _ in 0..<8 { value = value << 8 | Int64(byte()) }
    return value
  }

  /// The rest as text, where it is UTF-8.
  var text: String? { String(validating: rest, as: UTF8.self) }

  /// The rest in pieces whose lengths follow from `seed`; 0 leaves it whole.
  func pieces(_ seed: UInt8) -> [UnsafeRawBufferPointer] {
    guard seed > 0 else { return [rest] }
    var pieces: [UnsafeRawBufferPointer] = []
    var state = UInt32(seed)
    var left = rest[...]
    while !left.isEmpty {
      // Knuth's linear congruential generator: small pieces more often than large ones.
      state = state &* 1_664_525 &+ 1_013_904_223
      let count = 1 + Int(state >> 16 & 15) * Int(state >> 24 & 15)
      pieces.append(UnsafeRawBufferPointer(rebasing: left.prefix(count)))
      left = left.dropFirst(count)
    }
    return pieces
  }
}
