// SPDX-License-Identifier: Apache-2.0

import CKernels
import Glibc

/// What happens to one sample in one epoch: a function of the settings, the seed, the epoch and the sample.
struct AugmentationDraw {
  /// Where the pixels come from; nil where they stay.
  var map: mk_affine?
  /// The factor of the sample, from brightness.
  var brightness: Float = 1
  /// The factor of differences from the mean.
  var contrast: Float = 1
  /// The rows and columns that are cut out; empty for none.
  var cutout: (rows: Range<Int>, columns: Range<Int>) = (0..<0, 0..<0)
  /// Which other sample is mixed in; the part of the sample itself, one half or more.
  var mixture = Mixture(partner: 0, share: 1)

  /// Which words of a sample's stream decide what; one has its place whatever else is asked for.
  private enum Word: UInt64 {
    case rotation
    case scaling
    case verticalTranslation
    case horizontalTranslation
    case verticalCrop
    case horizontalCrop
    case horizontalFlip
    case verticalFlip
    case brightness
    case contrast
    case cutoutRow
    case cutoutColumn
    case partner
    /// The first of as many as it takes.
    case share = 16
  }

  /// - Parameters:
  ///   - numbers: the sample's stream of the epoch.
  ///   - height: in pixels, as `width`; 1 for what is no image.
  ///   - sampleCount: how many samples there are to mix with.
  init(
    _ settings: Augmentation, _ numbers: Philox, height: Int, width: Int, sampleCount: Int
  ) {
    func unit(_ word: Word) -> Double { Double(numbers.word(at: word.rawValue) >> 8) * 0x1p-24 }
    func within(_ word: Word, _ limit: Double) -> Double { (2 * unit(word) - 1) * limit }
    func integer(_ word: Word, below bound: Int) -> Int {
      Int((UInt64(numbers.word(at: word.rawValue)) * UInt64(bound)) >> 32)
    }
    if settings.isGeometric {
      let isFlipped = (
        left: unit(.horizontalFlip) < settings.horizontalFlip,
        top: unit(.verticalFlip) < settings.verticalFlip
      )
      map = Self.map(
        height: height, width: width,
        angle: within(.rotation, settings.rotation) * Double.pi / 180,
        factor: 1 + within(.scaling, settings.scaling),
        down: (within(.verticalTranslation, settings.translation) * Double(height))
          .rounded(.toNearestOrEven),
        right: (within(.horizontalTranslation, settings.translation) * Double(width))
          .rounded(.toNearestOrEven),
        window: (
          integer(.verticalCrop, below: 2 * settings.crop + 1) - settings.crop,
          integer(.horizontalCrop, below: 2 * settings.crop + 1) - settings.crop
        ), isFlipped: isFlipped)
    }
    func factor(_ word: Word, _ strength: Double) -> Float {
      let least = max(0, 1 - strength)
      return strength > 0 ? Float(least + unit(word) * (1 + strength - least)) : 1
    }
    brightness = factor(.brightness, settings.brightness)
    contrast = factor(.contrast, settings.contrast)
    if settings.cutout > 0 {
      func side(_ word: Word, of extent: Int) -> Range<Int> {
        let start = integer(word, below: extent) - settings.cutout / 2
        return max(0, start)..<min(extent, max(0, start + settings.cutout))
      }
      cutout = (side(.cutoutRow, of: height), side(.cutoutColumn, of: width))
    }
    if settings.mixup > 0 {
      let part = numbers.symmetricBeta(settings.mixup, from: Word.share.rawValue)
      // A part is as likely as the rest, so the sample can have the larger one, and its label rules.
      mixture = Mixture(
        partner: integer(.partner, below: sampleCount), share: Float(max(part, 1 - part)))
    }
  }

  /// Where pixels of the result come from: the result is the image turned clockwise by `angle` and enlarged
  /// around its centre, moved, seen through a window and mirrored, in this order.
  ///
  /// - Parameters:
  ///   - angle: in radians.
  ///   - window: how far the window begins below and to the right of the image's corner.
  static func map(
    height: Int, width: Int, angle: Double, factor: Double, down: Double, right: Double,
    window: (down: Int, right: Int), isFlipped: (left: Bool, top: Bool)
  ) -> mk_affine {
    let (sine, cosine) = (sin(angle) / factor, cos(angle) / factor)
    let centre = (row: Double(height - 1) / 2, column: Double(width - 1) / 2)
    // Mirrored, a row is counted from the last one backwards.
    let (rowStep, firstRow) = isFlipped.top ? (-1.0, Double(height - 1)) : (1.0, 0)
    let (columnStep, firstColumn) = isFlipped.left ? (-1.0, Double(width - 1)) : (1.0, 0)
    let row = firstRow + Double(window.down) - down - centre.row
    let column = firstColumn + Double(window.right) - right - centre.column
    return mk_affine(
      row: Float(cosine * row - sine * column + centre.row),
      row_per_y: Float(cosine * rowStep), row_per_x: Float(-sine * columnStep),
      column: Float(sine * row + cosine * column + centre.column),
      column_per_y: Float(sine * rowStep), column_per_x: Float(cosine * columnStep))
  }
}

/// What a sample was mixed of.
public struct Mixture: Sendable, Hashable {
  /// The sample that was mixed in.
  public var partner: Int
  /// The part of the sample itself, one half or more; 1 for no mixture.
  public var share: Float

  /// A mixture of a sample and its partner.
  public init(partner: Int, share: Float) {
    self.partner = partner
    self.share = share
  }
}
