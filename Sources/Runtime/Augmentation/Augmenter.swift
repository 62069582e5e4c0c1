// SPDX-License-Identifier: Apache-2.0

import CKernels

/// Writes varied samples: what a sample becomes is a function of (settings, seed, epoch, sample), whatever
/// batch it is in and whoever asks.
///
/// Values of UINT8 samples stay within 0...255. Immutable; any number of threads share it.
public struct Augmenter: Sendable {
  /// Floats of scratch memory that a call needs.
  public var scratchFloatCount: Int { 2 * elementCount }

  private let settings: Augmentation
  private let isBytes: Bool
  private let elementCount: Int
  private let height: Int
  private let width: Int
  private let channels: Int
  private let sampleCount: Int
  private let key: UInt64
  private let instructionSet: InstructionSet

  /// - Parameters:
  ///   - shape: of a sample; images are (H, W) or (H, W, C).
  ///   - datatype: UINT8 or FP32.
  ///   - sampleCount: how many samples there are, all of which may be mixed.
  /// - Throws: `.invalidArgument` with the setting as field, `.unsupported` for other data types.
  public init(
    _ settings: Augmentation, shape: Shape, datatype: DataType, sampleCount: Int, seed: UInt64,
    instructionSet: InstructionSet
  ) throws(RuntimeError) {
    try settings.validate(for: shape)
    guard datatype == .uint8 || datatype == .fp32 else {
      throw RuntimeError(
        .unsupported, "expected UINT8 or FP32 elements; came \(datatype)",
        operation: "augmentation", field: "input")
    }
    // The kernel counts pixels with 32 bits.
    guard shape.elementCount < Int(Int32.max), (1..<(1 << 40)).contains(sampleCount) else {
      throw RuntimeError(
        .tooLarge, "expected fewer than 2^31 elements a sample and 1 to 2^40 samples",
        operation: "augmentation", field: "input")
    }
    self.settings = settings
    isBytes = datatype == .uint8
    elementCount = shape.elementCount
    let isImage = (2...3).contains(shape.rank)
    height = isImage ? shape[0] : 1
    width = isImage ? shape[1] : 1
    channels = isImage && shape.rank == 3 ? shape[2] : 1
    self.sampleCount = sampleCount
    self.instructionSet = instructionSet
    // A key of its own: streams of the seed's count training steps from below and epochs from above,
    // where the last one of all is left over.
    let words = Philox(key: seed, stream: .max).words(ofBlock: 0)
    key = UInt64(words.0) << 32 | UInt64(words.1)
  }

  /// Writes a sample as it is in an epoch.
  ///
  /// - Parameters:
  ///   - sample: its position, below `sampleCount`.
  ///   - samples: all of them, one after the other.
  ///   - out: room for a sample's elements.
  ///   - scratch: `scratchFloatCount` floats, this call's alone.
  /// - Returns: what it was mixed of; labels are to be mixed alike.
  @discardableResult
  public func write(
    _ sample: Int, epoch: Int, of samples: UnsafeRawBufferPointer,
    to out: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) -> Mixture {
    precondition(sample >= 0 && sample < sampleCount)
    precondition(samples.count >= sampleCount * elementCount * (isBytes ? 1 : 4))
    let draw = draw(sample, epoch: epoch)
    write(draw, sample, epoch: epoch, of: samples, to: out, scratch: scratch)
    let mixture = draw.mixture
    guard mixture.share < 1 else { return mixture }
    let kernels = instructionSet.kernels
    let partner = scratch + elementCount
    write(
      self.draw(mixture.partner, epoch: epoch), mixture.partner, epoch: epoch, of: samples,
      to: partner, scratch: scratch)
    kernels.pointee.scale(out, out, mixture.share, 0, elementCount)
    kernels.pointee.axpy(out, partner, 1 - mixture.share, elementCount)
    return mixture
  }

  /// What happens to a sample.
  func draw(_ sample: Int, epoch: Int) -> AugmentationDraw {
    AugmentationDraw(
      settings, numbers(sample, epoch: epoch), height: height, width: width,
      sampleCount: sampleCount)
  }

  private func numbers(_ sample: Int, epoch: Int) -> Philox {
    // 2^40 samples and 2^23 epochs; the highest bit is the noise's.
    Philox(key: key, stream: UInt64(truncatingIfNeeded: epoch & 0x7F_FFFF) << 40 | UInt64(sample))
  }

  /// Writes a sample, mixing apart.
  private func write(
    _ draw: AugmentationDraw, _ sample: Int, epoch: Int, of samples: UnsafeRawBufferPointer,
    to out: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let kernels = instructionSet.kernels
    let fill = Float(settings.fill)
    let source = draw.map == nil ? out : scratch
    let size = isBytes ? 1 : MemoryLayout<Float>.size
    let bytes = UnsafeRawBufferPointer(
      rebasing: samples[(sample * elementCount * size)..<((sample + 1) * elementCount * size)])
    guard let start = bytes.baseAddress else { return }
    if isBytes {
      kernels.pointee.convert_u8(
        source, start.assumingMemoryBound(to: UInt8.self), 1, 0, elementCount)
    } else {
      UnsafeMutableRawPointer(source).copyMemory(from: start, byteCount: bytes.count)
    }
    if var map = draw.map {
      kernels.pointee.resample(out, scratch, &map, fill, height, width, channels, 0, height)
    }
    if draw.brightness != 1 || draw.contrast != 1 {
      // Both at once: (b x - b m) c + b m, m being the mean.
      let mean = kernels.pointee.sum(out, elementCount) / Float(elementCount)
      let (b, c) = (draw.brightness, draw.contrast)
      kernels.pointee.scale(out, out, b * c, b * mean * (1 - c), elementCount)
    }
    if settings.noise > 0 {
      let numbers = numbers(sample, epoch: epoch)
      var stream = mk_philox(key: numbers.key, stream: numbers.stream | 1 << 63)
      kernels.pointee.random_normal(scratch, &stream, 0, 0, Float(settings.noise), elementCount)
      kernels.pointee.add(out, out, scratch, elementCount)
    }
    if isBytes, draw.brightness != 1 || draw.contrast != 1 || settings.noise > 0 {
      kernels.pointee.clamp(out, out, 0, 255, elementCount)
    }
    for row in draw.cutout.rows {
      let start = (row * width + draw.cutout.columns.lowerBound) * channels
      kernels.pointee.fill(out + start, fill, draw.cutout.columns.count * channels)
    }
  }
}
