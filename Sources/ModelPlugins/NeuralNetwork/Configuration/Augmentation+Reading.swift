// SPDX-License-Identifier: Apache-2.0
import Runtime

extension Augmentation {
  /// Reads the settings, none of which must be there.
  init(_ json: JSONValue?, path: String, list: ViolationList) {
    self.init()
    let fields = FieldReader(json, path: path, keys: Self.keys, list: list)
    func number(_ key: String, _ range: ClosedRange<Double>) -> Double {
      fields.number(
        key, "a number in \(range.lowerBound)...\(range.upperBound)", default: 0,
        where: range.contains)
    }
    rotation = number("rotation", Bounds.rotation)
    scaling = number("scaling", Bounds.scaling)
    translation = number("translation", Bounds.translation)
    crop = fields.integer("crop", Bounds.pixels, default: 0)
    horizontalFlip = number("horizontal_flip", Bounds.probability)
    verticalFlip = number("vertical_flip", Bounds.probability)
    brightness = number("brightness", Bounds.strength)
    contrast = number("contrast", Bounds.strength)
    noise = number("noise", Bounds.value)
    cutout = fields.integer("cutout", Bounds.pixels, default: 0)
    mixup = number("mixup", Bounds.mixup)
    fill = number("fill", -Bounds.value.upperBound...Bounds.value.upperBound)
  }

  /// The settings as JSON.
  var canonicalText: String {
    #"{"rotation":\#(rotation),"scaling":\#(scaling),"translation":\#(translation),"crop":\#(crop),"#
      + #""horizontal_flip":\#(horizontalFlip),"vertical_flip":\#(verticalFlip),"#
      + #""brightness":\#(brightness),"contrast":\#(contrast),"noise":\#(noise),"#
      + #""cutout":\#(cutout),"mixup":\#(mixup),"fill":\#(fill)}"#
  }

  private static let keys = [
    "rotation", "scaling", "translation", "crop", "horizontal_flip", "vertical_flip", "brightness",
    "contrast", "noise", "cutout", "mixup", "fill",
  ]
}
