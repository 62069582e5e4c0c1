// SPDX-License-Identifier: Apache-2.0

extension NetworkConfiguration {
  /// The JSON Schema (2020-12) of the configuration.
  ///
  /// A test keeps it in step with the reader.
  static let schema = #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "neural-network",
      "type": "object",
      "additionalProperties": false,
      "required": ["layers"],
      "properties": {
        "input": {
          "type": "object", "additionalProperties": false, "default": {},
          "description": "Applied to each element before the first layer: x * scale + offset.",
          "properties": {
            "scale": {"type": "number", "not": {"const": 0}, "default": 1},
            "offset": {"type": "number", "default": 0}
          }
        },
        "layers": {
          "type": "array", "minItems": 1, "maxItems": 256, "items": {"$ref": "#/$defs/layer"}
        },
        "loss": {"enum": ["cross_entropy", "mean_squared_error"], "default": "cross_entropy"},
        "optimizer": {"$ref": "#/$defs/optimizer", "default": {"type": "adam"}},
        "epochs": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 3},
        "batch_size": {"type": "integer", "minimum": 1, "maximum": 65536, "default": 64},
        "input_tensor": {"$ref": "#/$defs/name", "default": "images"},
        "label_tensor": {"$ref": "#/$defs/name", "default": "labels"},
        "serving": {
          "type": "object", "additionalProperties": false, "default": {},
          "properties": {
            "max_batch_size": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 64}
          }
        }
      },
      "$defs": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"},
        "width": {"type": "integer", "minimum": 1, "maximum": 65536},
        "window": {"type": "integer", "minimum": 1, "maximum": 64},
        "padding": {
          "oneOf": [
            {"enum": ["valid", "same"]}, {"type": "integer", "minimum": 0, "maximum": 63}
          ],
          "default": "valid"
        },
        "function": {"enum": ["relu", "sigmoid", "tanh"]},
        "activation": {"enum": ["none", "relu", "sigmoid", "tanh"], "default": "none"},
        "rate": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "positive": {"type": "number", "exclusiveMinimum": 0},
        "layer": {
          "oneOf": [
            {
              "type": "object", "additionalProperties": false,
              "required": ["type", "filters", "kernel"],
              "properties": {
                "type": {"const": "conv2d"},
                "filters": {"$ref": "#/$defs/width"},
                "kernel": {"$ref": "#/$defs/window"},
                "stride": {"$ref": "#/$defs/window", "default": 1},
                "padding": {"$ref": "#/$defs/padding"},
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "size"],
              "properties": {
                "type": {"enum": ["max_pool2d", "average_pool2d"]},
                "size": {"$ref": "#/$defs/window"},
                "stride": {"$ref": "#/$defs/window", "description": "By default the size."},
                "padding": {"$ref": "#/$defs/padding"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {"type": {"const": "flatten"}}
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "units"],
              "properties": {
                "type": {"const": "dense"},
                "units": {"$ref": "#/$defs/width"},
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "dropout"},
                "rate": {"$ref": "#/$defs/rate", "default": 0.5}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "batch_norm"},
                "epsilon": {"$ref": "#/$defs/positive", "default": 1e-5},
                "momentum": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.1}
              }
            },
            {
              "type": "object", "additionalProperties": false,
              "required": ["type", "activation"],
              "properties": {
                "type": {"const": "activation"}, "activation": {"$ref": "#/$defs/function"}
              }
            }
          ]
        },
        "optimizer": {
          "oneOf": [
            {
              "type": "object", "additionalProperties": false,
              "properties": {
                "type": {"enum": ["adam", "adamw"], "default": "adam"},
                "learning_rate": {"$ref": "#/$defs/positive", "default": 0.001},
                "weight_decay": {
                  "type": "number", "minimum": 0,
                  "description": "By default 0 for adam, 0.01 for adamw."
                },
                "beta1": {"$ref": "#/$defs/rate", "default": 0.9},
                "beta2": {"$ref": "#/$defs/rate", "default": 0.999},
                "epsilon": {"$ref": "#/$defs/positive", "default": 1e-8}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "sgd"},
                "learning_rate": {"$ref": "#/$defs/positive", "default": 0.01},
                "weight_decay": {"type": "number", "minimum": 0, "default": 0},
                "momentum": {"$ref": "#/$defs/rate", "default": 0},
                "nesterov": {"type": "boolean", "default": false}
              }
            }
          ]
        }
      }
    }
    """#
}
