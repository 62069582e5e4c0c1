// SPDX-License-Identifier: Apache-2.0

import CKernels
import Glibc
import Testing

@testable import Runtime

struct AugmentationTests {
  /// Images that scipy turned, enlarged, moved, cropped and mirrored.
  @Test(arguments: ["grey", "colour"], InstructionSet.available)
  func geometryIsScipys(name: String, isa: InstructionSet) throws {
    let golden = try Golden("augmentation")
    let shape = try golden.shape(name).dimensions
    let (image, cases) = (try golden.floats(name), try golden.floats("cases"))
    for index in 0..<(cases.count / 9) {
      let c = cases[(9 * index)..<(9 * index + 9)].map(Double.init)
      var map = AugmentationDraw.map(
        height: shape[0], width: shape[1], angle: c[0] * .pi / 180, factor: c[1], down: c[2],
        right: c[3], window: (Int(c[4]), Int(c[5])), isFlipped: (left: c[6] != 0, top: c[7] != 0))
      var result = [Float](repeating: .nan, count: image.count)
      isa.kernels.pointee.resample(
        &result, image, &map, Float(c[8]), shape[0], shape[1], shape[2], 0, shape[0])
      let off = deviation(result, from: try golden.floats("\(name).\(index)"))
      #expect(off < 1e-5, "case \(index) is off by \(off)")
    }
  }

  private static let everything = {
    var settings = Augmentation()
    (settings.rotation, settings.scaling, settings.translation, settings.crop) = (20, 0.2, 0.2, 2)
    (settings.horizontalFlip, settings.verticalFlip) = (0.5, 0.25)
    (settings.brightness, settings.contrast, settings.noise) = (0.5, 0.75, 3)
    (settings.cutout, settings.mixup, settings.fill) = (3, 0.4, 1)
    return settings
  }()

  private func augmenter(
    _ settings: Augmentation, shape: [Int] = [8, 8], _ datatype: DataType = .fp32, count: Int = 50,
    seed: UInt64 = 5, isa: InstructionSet? = nil
  ) throws -> Augmenter {
    try Augmenter(
      settings, shape: Shape(shape), datatype: datatype, sampleCount: count, seed: seed,
      instructionSet: isa ?? InstructionSet.preferred(forced: nil))
  }

  private func write(
    _ augmenter: Augmenter, _ samples: [some BitwiseCopyable], sample: Int, epoch: Int = 1,
    elements: Int = 64
  ) -> (values: [Float], mixture: Mixture) {
    var out = [Float](repeating: .nan, count: elements)
    var scratch = [Float](repeating: .nan, count: augmenter.scratchFloatCount)
    let mixture = samples.withUnsafeBytes {
      augmenter.write(sample, epoch: epoch, of: $0, to: &out, scratch: &scratch)
    }
    return (out, mixture)
  }

  @Test func eachSampleOfEachEpochIsAnotherAndAlwaysTheSame() throws {
    let images = (0..<50 * 64).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    let augmenter = try augmenter(Self.everything, .uint8)
    let first = write(augmenter, images, sample: 3)
    #expect(write(augmenter, images, sample: 3).values == first.values)
    #expect(write(augmenter, images, sample: 3).mixture == first.mixture)
    #expect(write(augmenter, images, sample: 3, epoch: 2).values != first.values)
    #expect(write(augmenter, images, sample: 4).values != first.values)
    let other = try self.augmenter(Self.everything, .uint8, seed: 6)
    #expect(write(other, images, sample: 3).values != first.values)
    #expect(first.values.allSatisfy { (0...255).contains($0) })
  }

  @Test func nothingAskedForChangesNothing() throws {
    let images = (0..<2 * 64).map(Float.init)
    var settings = Augmentation()
    settings.fill = 9
    #expect(settings.isIdentity)
    let result = write(try augmenter(settings, count: 2), images, sample: 1)
    #expect(result.values == Array(images[64...]))
    #expect(result.mixture.share == 1)
  }

  /// Draws of many samples stay within what was asked for, and fill it.
  @Test func drawsAreSpreadOverWhatIsAskedFor() throws {
    let augmenter = try augmenter(Self.everything, count: 1000)
    let draws = (0..<1000).map { augmenter.draw($0, epoch: 1) }
    func mean(_ value: (AugmentationDraw) -> Double) -> Double {
      draws.reduce(0) { $0 + value($1) } / 1000
    }
    // A mirrored image is read backwards.
    let leftRight = mean { ($0.map?.column_per_x ?? 1) < 0 ? 1 : 0 }
    let topBottom = mean { ($0.map?.row_per_y ?? 1) < 0 ? 1 : 0 }
    // Five standard errors.
    #expect(abs(leftRight - 0.5) < 5 * (0.25 / 1000).squareRoot())
    #expect(abs(topBottom - 0.25) < 5 * (0.1875 / 1000).squareRoot())
    for draw in draws {
      let map = try #require(draw.map)
      let zoom = hypot(map.row_per_y, map.row_per_x)
      #expect(zoom >= 1 / 1.2 - 1e-6 && zoom <= 1 / 0.8 + 1e-6)
      let angle = atan2(abs(map.row_per_x), abs(map.row_per_y)) * 180 / .pi
      #expect(angle <= 20.001)
      #expect((0.5...1.5).contains(draw.brightness) && (0.25...1.75).contains(draw.contrast))
      #expect(draw.cutout.rows.count <= 3 && draw.cutout.rows.upperBound <= 8)
      #expect(draw.mixture.share >= 0.5 && (0..<1000).contains(draw.mixture.partner))
    }
    #expect(abs(mean { Double($0.brightness) } - 1) < 5 * (1.0 / 12 / 1000).squareRoot())
    #expect(Set(draws.map(\.cutout.rows)).count == 8)
    #expect(Set(draws.map(\.mixture.partner)).count > 500)
  }

  @Test(arguments: InstructionSet.available)
  func contrastAndBrightnessAreAroundTheMean(isa: InstructionSet) throws {
    var settings = Augmentation()
    (settings.brightness, settings.contrast) = (0.5, 0.5)
    let image = (0..<27).map { Float(($0 * 7) % 27) }
    let augmenter = try augmenter(settings, shape: [3, 3, 3], count: 1, isa: isa)
    let draw = augmenter.draw(0, epoch: 1)
    let mean = image.reduce(0, +) / 27 * draw.brightness
    let expected = image.map { ($0 * draw.brightness - mean) * draw.contrast + mean }
    let values = write(augmenter, image, sample: 0, elements: 27).values
    #expect(deviation(values, from: expected) < 1e-5)
    #expect(values != image)
  }

  @Test func noiseHasItsDeviationAndCutoutItsSquare() throws {
    var settings = Augmentation()
    settings.noise = 2
    let zeros = [Float](repeating: 0, count: 4096)
    let noise = write(
      try augmenter(settings, shape: [4096], count: 1), zeros, sample: 0, elements: 4096
    ).values
    let variance = noise.reduce(0) { $0 + Double($1 * $1) } / 4096
    #expect(abs(variance - 4) < 5 * 4 * (2.0 / 4096).squareRoot())

    settings = Augmentation()
    (settings.cutout, settings.fill) = (3, -1)
    let ones = [Float](repeating: 1, count: 50 * 64)
    let augmenter = try augmenter(settings)
    for sample in 0..<50 {
      let values = write(augmenter, ones, sample: sample).values
      let cutout = augmenter.draw(sample, epoch: 1).cutout
      for (index, value) in values.enumerated() {
        let isCut = cutout.rows.contains(index / 8) && cutout.columns.contains(index % 8)
        #expect(value == (isCut ? -1 : 1))
      }
      #expect(values.contains(-1))
    }
  }

  @Test func mixingIsTheWeightedSumOfBothAsTheyWouldBeAlone() throws {
    let images = (0..<50 * 64).map { Float(($0 &* 31) % 97) }
    var alone = Self.everything
    alone.mixup = 0
    let (mixed, single) = (try augmenter(Self.everything), try augmenter(alone))
    for sample in 0..<20 {
      let (values, mixture) = write(mixed, images, sample: sample)
      let own = write(single, images, sample: sample).values
      let other = write(single, images, sample: mixture.partner).values
      let expected = zip(own, other).map { mixture.share * $0 + (1 - mixture.share) * $1 }
      #expect(deviation(values, from: expected) < 1e-5)
    }
  }

  @Test(arguments: [0.05, 0.4, 1, 1.5, 8])
  func partsAreBetaDistributed(shape: Double) {
    let numbers = (0..<4000).map {
      Philox(key: 3, stream: UInt64($0)).symmetricBeta(shape, from: 16)
    }
    let mean = numbers.reduce(0, +) / 4000
    let variance = numbers.reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) } / 4000
    let expected = 1 / (4 * (2 * shape + 1))
    #expect(abs(mean - 0.5) < 5 * (expected / 4000).squareRoot())
    // The fourth central moment of Beta(a, a) is 3 / (16 (2a + 1) (2a + 3)).
    let fourth = 3 / (16 * (2 * shape + 1) * (2 * shape + 3))
    #expect(abs(variance - expected) < 5 * ((fourth - expected * expected) / 4000).squareRoot())
    #expect(numbers.allSatisfy { (0...1).contains($0) })
  }

  @Test func settingsThatCannotBeAreRefusedByName() throws {
    func field(_ shape: [Int], _ change: (inout Augmentation) -> Void) -> String? {
      var settings = Augmentation()
      change(&settings)
      do throws(RuntimeError) {
        try settings.validate(for: Shape(shape))
        return nil
      } catch {
        return error.field
      }
    }
    #expect(field([8, 8]) { $0.rotation = 181 } == "rotation")
    #expect(field([8, 8]) { $0.scaling = 1 } == "scaling")
    #expect(field([8, 8]) { $0.noise = .nan } == "noise")
    #expect(field([8, 8]) { $0.crop = -1 } == "crop")
    #expect(field([8, 8]) { $0.fill = -.infinity } == "fill")
    #expect(field([64]) { $0.horizontalFlip = 0.5 } == "horizontal_flip")
    #expect(field([64]) { $0.cutout = 2 } == "cutout")
    #expect(field([64]) { $0.noise = 1 } == nil)
    #expect(field([64]) { $0.mixup = 1 } == nil)
    #expect(throws: RuntimeError.self) { try self.augmenter(Augmentation(), .int32) }
    #expect(throws: RuntimeError.self) { try self.augmenter(Augmentation(), count: 0) }
  }
}
