// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The corpus of every entry, and a bounded number of mutations of it that are the same in each run.
///
/// `make fuzz` goes on from here with libFuzzer and sanitizers.
@Suite struct ReplayTests {
  /// Enough to fail for a check that was forgotten, and a tenth of a second to two of an entry.
  private static let mutationCount = 1500

  @Test(arguments: FuzzEntry.all.map(\.name))
  func everyInputIsReadOrRefused(name: String) throws {
    let entry = try #require(FuzzEntry.all.first { $0.name == name })
    let corpus = try Self.corpus(of: name)
    try #require(!corpus.isEmpty)
    for (file, bytes) in corpus {
      do {
        try bytes.withUnsafeBytes { try entry.run($0) }
      } catch {
        Issue.record("\(name)/\(file): \(error)")
      }
    }
    var mutator = Mutator(corpus.map(\.bytes), maxByteCount: entry.maxByteCount)
    for _ in 0..<Self.mutationCount {
      let bytes = mutator.next()
      do {
        try bytes.withUnsafeBytes { try entry.run($0) }
      } catch {
        Issue.record("\(name): \(error), of \(Data(bytes).base64EncodedString())")
      }
    }
  }

  @Test func everyCorpusHasItsEntry() throws {
    for folder in [Self.corpora, Self.folder.appending(path: "Found")] {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(Set(names) == Set(FuzzEntry.all.map(\.name)))
    }
  }

  /// A finding is reported as one: a check that always holds would be none.
  @Test func aFindingIsAnError() {
    let entry = FuzzEntry("fuzzed") { try require($0.isEmpty, "there are \($0.count) bytes") }
    #expect(throws: FuzzFinding.self) { try [1, 2].withUnsafeBytes { try entry.run($0) } }
    #expect(throws: Never.self) { try [].withUnsafeBytes { try entry.run($0) } }
  }

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()
  private static let corpora = folder.appending(path: "Corpus")

  /// The inputs that were made, and those that the fuzzer has found: one a line, in base64.
  private static func corpus(of name: String) throws -> [(file: String, bytes: [UInt8])] {
    let made = try FileManager.default.contentsOfDirectory(
      at: corpora.appending(path: name), includingPropertiesForKeys: nil
    )
    .sorted { $0.lastPathComponent < $1.lastPathComponent }
    .map { (file: $0.lastPathComponent, bytes: Array(try Data(contentsOf: $0))) }
    let found = try String(
      contentsOf: folder.appending(path: "Found/\(name)"), encoding: .utf8
    )
    .split(separator: "\n", omittingEmptySubsequences: true)
    return try made
      + found.map { line in
        (file: "\(line)", bytes: Array(try #require(Data(base64Encoded: String(line)))))
      }
  }
}

/// Changes inputs here and there, in a sequence that is the same in every run.
private struct Mutator {
  private let corpus: [[UInt8]]
  private let maxByteCount: Int
  private var random = SplitMix64(state: 3)

  init(_ corpus: [[UInt8]], maxByteCount: Int) {
    self.corpus = corpus
    self.maxByteCount = maxByteCount
  }

  mutating func next() -> [UInt8] {
    var bytes = corpus[Int.random(in: corpus.indices, using: &random)]
    for _ in 0..<Int.random(in: 1...4, using: &random) { change(&bytes) }
    return Array(bytes.prefix(maxByteCount))
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return bytes.append(UInt8.random(in: 0...255, using: &random)) }
    let at = Int.random(in: bytes.indices, using: &random)
    switch Int.random(in: 0..<7, using: &random) {
    case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
    case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 2: bytes[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
    case 3: bytes.remove(at: at)
    case 4: bytes.removeLast(bytes.count - at)
    case 5: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
    default:
      let other = corpus[Int.random(in: corpus.indices, using: &random)]
      bytes.insert(contentsOf: other.suffix(Int.random(in: 0...16, using: &random)), at: at)
    }
  }
}

/// A small generator with the same sequence everywhere: https://prng.di.unimi.it/splitmix64.c.
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
