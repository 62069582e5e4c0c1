// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime
import Testing

@testable import Serving

/// A generator whose sequence is the same in every run (Steele, Lea, Flood: SplitMix64).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Whatever comes, decoding ends with a request that fits the model or with an error of the caller's.
@Suite struct FuzzTests {
  static func corpus() throws -> [([UInt8], [TensorSpecification])] {
    var corpus: [([UInt8], [TensorSpecification])] = []
    for table in [rawRequests, typedRequests] {
      for (name, request) in table.sorted(by: { $0.key < $1.key }) {
        guard let datatype = DataType(rawValue: name) else { continue }
        corpus.append((try bytes(request), [specification(datatype)]))
      }
    }
    for (_, request) in requests.sorted(by: { $0.key < $1.key }) {
      corpus.append((try bytes(request), twoInputs))
    }
    return corpus
  }

  private func check(_ message: [UInt8], _ inputs: [TensorSpecification]) {
    do throws(ServingError) {
      let request = try decode(message, inputs)
      #expect(request.inputs.count == inputs.count)
      for (tensor, input) in zip(request.inputs, inputs) {
        let elements = tensor.withExtents { $0.reduce(1, *) }
        if let size = input.datatype.byteCount {
          #expect(tensor.bytes.count == Int(elements) * size)
        } else {
          #expect(BytesElements.count(in: tensor.bytes) == Int(elements))
        }
      }
    } catch {
      #expect(
        [.invalidArgument, .unimplemented, .resourceExhausted].contains(error.code), "\(error)")
    }
  }

  @Test func cutShortAtEveryByte() throws {
    for (message, inputs) in try Self.corpus() {
      for length in message.indices { check(Array(message[..<length]), inputs) }
    }
  }

  @Test func everyByteChanged() throws {
    for (message, inputs) in try Self.corpus() {
      for index in message.indices {
        for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
          var changed = message
          changed[index] = value
          check(changed, inputs)
        }
      }
    }
  }

  @Test func randomMutations() throws {
    var random = SplitMix(state: 2)
    let corpus = try Self.corpus()
    for _ in 0..<20_000 {
      let (original, inputs) = corpus[Int.random(in: corpus.indices, using: &random)]
      var message = original
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        guard !message.isEmpty else { break }
        let at = Int.random(in: message.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: message[at] = UInt8.random(in: 0...255, using: &random)
        case 1: message.remove(at: at)
        case 2: message.insert(UInt8.random(in: 0...255, using: &random), at: at)
        default:
          let end = Int.random(in: at..<message.count, using: &random)
          message.insert(contentsOf: message[at...end], at: at)
        }
      }
      check(message, inputs)
    }
  }
}
