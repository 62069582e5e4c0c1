// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Runtime

/// Shapes that are cut in other ways than the small ones of the golden files, against sums in double precision
/// at a few places.
struct LargeShapeTests {
  /// A long K and few units: partial products.
  @Test(arguments: InstructionSet.available, [ProgramBuilder.Mode.training, .inference])
  func denseCutAlongItsInputs(_ isa: InstructionSet, _ mode: ProgramBuilder.Mode) throws {
    let (batch, inputs, units) = (5, 5000, 37)
    let x = numbers(batch * inputs, stream: 1)
    let weights = numbers(inputs * units, stream: 2)
    let bias = numbers(units, stream: 3)
    var run = GraphRun()
    let value = try run.graph.sigmoid(
      run.graph.dense(
        run.input("x", Shape([batch, inputs]), x),
        weights: run.parameter("w", Shape([inputs, units]), weights),
        bias: run.parameter("b", Shape([units]), bias)))
    let y = try run.run([value], batch: batch, mode: mode, instructionSet: isa, threads: 2)
    for row in 0..<batch {
      for unit in [0, 1, 31, 32, 36] {
        var sum = Double(bias[unit])
        for k in 0..<inputs {
          sum += Double(x[row * inputs + k]) * Double(weights[k * units + unit])
        }
        let off = abs(1 / (1 + exp(-sum)) - Double(y.values[0][row * units + unit]))
        #expect(off < 1e-4)
      }
    }
  }

  /// Weights of more than one block of channels, and a weights' gradient cut by its units.
  @Test(arguments: InstructionSet.available)
  func convolutionWithManyChannels(_ isa: InstructionSet) throws {
    let (batch, side, channels, filters) = (2, 5, 130, 140)
    let pixels = side * side
    let x = numbers(batch * pixels * channels, stream: 4)
    let weights = numbers(9 * channels * filters, stream: 5)
    let dy = numbers(batch * pixels * filters, stream: 6)
    var run = GraphRun()
    let image = try run.input("x", Shape([batch, side, side, channels]), x)
    let w = try run.parameter("w", Shape([3, 3, channels, filters]), weights)
    let b = try run.parameter("b", Shape([filters]), [Float](repeating: 0.5, count: filters))
    let y = try run.graph.conv2d(image, weights: w, bias: b, padding: .same)
    let gradients = try run.gradients(of: y, along: dy, for: [image, w, b])
    let results = try run.run(
      [y] + gradients, batch: batch, instructionSet: isa, threads: 2
    ).values

    /// Calls the body with every output pixel and the input pixel under the tap (r, s).
    func pairs(_ r: Int, _ s: Int, _ body: (_ output: Int, _ input: Int) -> Void) {
      for n in 0..<batch {
        for oy in 0..<side {
          for ox in 0..<side {
            let (iy, ix) = (oy + r - 1, ox + s - 1)
            guard (0..<side).contains(iy), (0..<side).contains(ix) else { continue }
            body(n * pixels + oy * side + ox, n * pixels + iy * side + ix)
          }
        }
      }
    }
    for filter in [0, 63, 64, 139] {
      for pixel in [0, 12, 49] {
        var sum = 0.5
        for (r, s) in taps {
          pairs(r, s) { output, input in
            guard output == pixel else { return }
            for c in 0..<channels {
              sum +=
                Double(x[input * channels + c])
                * Double(weights[((r * 3 + s) * channels + c) * filters + filter])
            }
          }
        }
        #expect(abs(sum - Double(results[0][pixel * filters + filter])) < 1e-3)
      }
    }
    for channel in [0, 95, 96, 129] {
      for pixel in [0, 12, 49] {
        var sum = 0.0
        for (r, s) in taps {
          pairs(r, s) { output, input in
            guard input == pixel else { return }
            for o in 0..<filters {
              sum +=
                Double(dy[output * filters + o])
                * Double(weights[((r * 3 + s) * channels + channel) * filters + o])
            }
          }
        }
        #expect(abs(sum - Double(results[1][pixel * channels + channel])) < 1e-3)
      }
      for (r, s) in taps {
        let filter = (channel * 7 + r) % filters
        var sum = 0.0
        pairs(r, s) { output, input in
          sum += Double(x[input * channels + channel]) * Double(dy[output * filters + filter])
        }
        let index = ((r * 3 + s) * channels + channel) * filters + filter
        #expect(abs(sum - Double(results[2][index])) < 1e-3)
      }
    }
    for filter in [0, 32, 139] {
      let sum = (0..<batch * pixels).reduce(0.0) { $0 + Double(dy[$1 * filters + filter]) }
      #expect(abs(sum - Double(results[3][filter])) < 1e-4)
    }
  }

  private let taps = (0..<9).map { ($0 / 3, $0 % 3) }

  /// Numbers in -0.5 ..< 0.5.
  private func numbers(_ count: Int, stream: UInt64) -> [Float] {
    let random = Philox(key: 21, stream: stream)
    return (0..<count).map { Float(random.word(at: UInt64($0)) >> 8) / Float(1 << 24) - 0.5 }
  }

}
