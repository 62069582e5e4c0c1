// SPDX-License-Identifier: Apache-2.0

/// The part of a configuration that all families over tables share.
struct TableConfiguration: Sendable, Hashable {
  /// The column to predict; nil in a family that learns without one.
  var target: String?
  /// The columns to learn from; nil: all but the target.
  var features: [String]?
  /// Rows of one call of a model.
  var maxBatchSize = 256

  /// The keys to pass to `FieldReader` beside the family's own.
  static let keys = ["features", "serving"]
  /// The same for a family that has a target.
  static let supervisedKeys = ["target"] + keys

  /// Reads the shared fields.
  init(_ fields: FieldReader, supervised: Bool, list: ViolationList) {
    if supervised {
      let name = fields.name("target", default: "")
      if fields["target"] == nil {
        fields.refuse("target", "expected the column to predict, but it is missing")
      }
      target = name
    }
    features = fields.strings("features")
    if let features, features.isEmpty {
      fields.refuse("features", "expected one column or more, came an empty list")
    }
    let serving = FieldReader(
      fields["serving"], path: fields.field("serving"), keys: ["max_batch_size"], list: list)
    maxBatchSize = serving.integer("max_batch_size", 1...4096, default: maxBatchSize)
  }

  /// The properties of the shared fields for a family's JSON Schema, to be followed by its own.
  static let schemaProperties = ##"""
    "features": {
      "type": "array", "minItems": 1, "uniqueItems": true, "items": {"$ref": "#/$defs/name"},
      "description": "Columns to learn from; by default all of the split but the target."
    },
    "serving": {
      "type": "object", "additionalProperties": false, "default": {},
      "properties": {
        "max_batch_size": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 256}
      }
    }
    """##
  /// The property of the target, to be followed by `schemaProperties`.
  static let targetProperty =
    ##""target": {"$ref": "#/$defs/name", "description": "The column to predict."}"##
  /// The definition that the properties refer to; the value of `$defs`.
  static let schemaDefinitions =
    #"{"name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}}"#
}
