// SPDX-License-Identifier: Apache-2.0

/// How samples are varied before each step of training, so that a network sees no sample twice.
///
/// All numbers are in the units of the data. Geometric changes are one map, so an image is read once, with linear
/// interpolation; they come first, then contrast, noise, cutout and mixing. The default changes nothing.
public struct Augmentation: Sendable, Hashable {
  /// An image is turned by an angle of up to so many degrees, either way.
  public var rotation = 0.0
  /// An image is enlarged by a factor of 1 ± so much.
  public var scaling = 0.0
  /// An image is moved by up to this part of its height and of its width, by whole pixels.
  public var translation = 0.0
  /// A window of the image's size is cut out of the image with so many pixels of `fill` around it.
  public var crop = 0
  /// The probability that left and right change places.
  public var horizontalFlip = 0.0
  /// The probability that top and bottom change places.
  public var verticalFlip = 0.0
  /// A sample is multiplied by a factor of 1 ± so much, at least 0.
  public var brightness = 0.0
  /// Differences from the sample's mean are multiplied by a factor of 1 ± so much, at least 0.
  public var contrast = 0.0
  /// The standard deviation of normal noise that is added.
  public var noise = 0.0
  /// The side of a square of `fill` around a random pixel (DeVries and Taylor, 2017).
  public var cutout = 0
  /// Each sample is mixed with another one, labels too, in parts that are distributed as Beta(a, a)
  /// (Zhang et al., 2018); zero for none.
  public var mixup = 0.0
  /// What lies outside an image.
  public var fill = 0.0

  /// Changes nothing.
  public init() {}

  /// Whether samples stay as they are.
  public var isIdentity: Bool {
    var settings = self
    settings.fill = 0
    return settings == Augmentation()
  }

  /// Whether pixels move.
  var isGeometric: Bool {
    rotation > 0 || scaling > 0 || translation > 0 || crop > 0 || horizontalFlip > 0
      || verticalFlip > 0
  }
}

extension Augmentation {
  /// What the settings may be; the configuration's schema says the same.
  public enum Bounds {
    /// Degrees.
    public static let rotation = 0.0...180.0
    /// Below 1: an image is not to vanish.
    public static let scaling = 0.0...0.9
    /// Of height and width.
    public static let translation = 0.0...1.0
    /// Of `crop` and `cutout`.
    public static let pixels = 0...1024
    /// Of flips.
    public static let probability = 0.0...1.0
    /// Of brightness and contrast.
    public static let strength = 0.0...10.0
    /// The parameter of the distribution.
    public static let mixup = 0.0...100.0
    /// Of noise and of `fill`.
    public static let value = 0.0...1e6
  }

  /// Refuses settings that are out of their range, or that need an image where samples are none.
  ///
  /// - Parameter shape: of a sample; images are (H, W) or (H, W, C).
  /// - Throws: `.invalidArgument` with the setting, as configurations write it, as field.
  public func validate(for shape: Shape) throws(RuntimeError) {
    let numbers: [(field: String, value: Double, range: ClosedRange<Double>)] = [
      ("rotation", rotation, Bounds.rotation), ("scaling", scaling, Bounds.scaling),
      ("translation", translation, Bounds.translation),
      ("crop", Double(crop), Double(Bounds.pixels.lowerBound)...Double(Bounds.pixels.upperBound)),
      ("horizontal_flip", horizontalFlip, Bounds.probability),
      ("vertical_flip", verticalFlip, Bounds.probability),
      ("brightness", brightness, Bounds.strength), ("contrast", contrast, Bounds.strength),
      ("noise", noise, Bounds.value), ("cutout", Double(cutout), 0...1024),
      ("mixup", mixup, Bounds.mixup), ("fill", abs(fill), Bounds.value),
    ]
    for (field, value, range) in numbers where !range.contains(value) {
      throw RuntimeError(
        .invalidArgument,
        "expected a number in \(range.lowerBound)...\(range.upperBound); came \(value)",
        operation: "augmentation", field: field)
    }
    guard !(2...3).contains(shape.rank) else { return }
    let imageOnly = ["rotation", "scaling", "translation", "crop", "horizontal_flip"]
    for (field, value, _) in numbers
    where value > 0 && (imageOnly + ["vertical_flip", "cutout"]).contains(field) {
      throw RuntimeError(
        .invalidArgument,
        "expected 0, because samples of shape \(shape) are no images; came \(value)",
        operation: "augmentation", field: field)
    }
  }
}
