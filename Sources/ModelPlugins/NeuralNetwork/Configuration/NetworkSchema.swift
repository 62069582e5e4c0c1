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
      "oneOf": [{"required": ["layers"]}, {"required": ["preset"]}],
      "properties": {
        "input": {
          "type": "object", "additionalProperties": false, "default": {},
          "description": "Applied to each element before the first layer: x * scale + offset.",
          "properties": {
            "scale": {"type": "number", "not": {"const": 0}, "default": 1},
            "offset": {"type": "number", "default": 0}
          }
        },
        "augmentation": {
          "type": "object", "additionalProperties": false, "default": {},
          "description": "How training varies each sample, anew in every epoch; in the units of the data, before input. Zero is none.",
          "properties": {
            "rotation": {
              "type": "number", "minimum": 0, "maximum": 180, "default": 0,
              "description": "Degrees, either way."
            },
            "scaling": {
              "type": "number", "minimum": 0, "maximum": 0.9, "default": 0,
              "description": "Enlarges by a factor of 1 plus or minus so much."
            },
            "translation": {
              "$ref": "#/$defs/probability",
              "description": "Part of height and width, either way, in whole pixels."
            },
            "crop": {
              "$ref": "#/$defs/pixels",
              "description": "Cuts a window of the image's size out of the image with so many pixels around it."
            },
            "horizontal_flip": {
              "$ref": "#/$defs/probability", "description": "How probable: left and right change places."
            },
            "vertical_flip": {
              "$ref": "#/$defs/probability", "description": "How probable: top and bottom change places."
            },
            "brightness": {
              "$ref": "#/$defs/strength", "description": "Multiplies by 1 plus or minus so much."
            },
            "contrast": {
              "$ref": "#/$defs/strength",
              "description": "Multiplies differences from the sample's mean by 1 plus or minus so much."
            },
            "noise": {
              "type": "number", "minimum": 0, "maximum": 1000000, "default": 0,
              "description": "Standard deviation of normal noise."
            },
            "cutout": {"$ref": "#/$defs/pixels", "description": "Side of a square that is blotted out."},
            "mixup": {
              "type": "number", "minimum": 0, "maximum": 100, "default": 0,
              "description": "Mixes samples and labels in parts distributed as Beta(a, a)."
            },
            "fill": {
              "type": "number", "minimum": -1000000, "maximum": 1000000, "default": 0,
              "description": "What lies outside an image, and in a square that is blotted out."
            }
          }
        },
        "layers": {
          "type": "array", "minItems": 1, "maxItems": 256, "items": {"$ref": "#/$defs/layer"}
        },
        "preset": {
          "type": "object", "additionalProperties": false, "required": ["name", "outputs"],
          "description": "Layers for a kind of data, instead of layers; outputs are classes or predicted numbers.",
          "properties": {
            "name": {"enum": ["images", "sequences", "tables"]},
            "outputs": {"$ref": "#/$defs/width"}
          }
        },
        "loss": {"$ref": "#/$defs/loss", "default": "cross_entropy"},
        "optimizer": {"$ref": "#/$defs/optimizer", "default": {"type": "adam"}},
        "regularization": {
          "type": "object", "additionalProperties": false, "default": {},
          "description": "Adds l1 * sum |w| + l2 * sum w^2 over weights, not biases, to what is minimised.",
          "properties": {
            "l1": {"type": "number", "minimum": 0, "default": 0},
            "l2": {"type": "number", "minimum": 0, "default": 0}
          }
        },
        "gradient_clipping": {
          "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
          "description": "norm scales all gradients together down to it; value bounds each element.",
          "properties": {
            "norm": {"$ref": "#/$defs/positive"}, "value": {"$ref": "#/$defs/positive"}
          }
        },
        "schedule": {"$ref": "#/$defs/schedule", "default": {"type": "constant"}},
        "early_stopping": {
          "type": "object", "additionalProperties": false,
          "description": "Ends the run when the loss of monitor_split has had no new best for patience epochs.",
          "properties": {
            "patience": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 5},
            "min_delta": {"type": "number", "minimum": 0, "default": 0},
            "restore_best": {"type": "boolean", "default": true}
          }
        },
        "monitor_split": {
          "$ref": "#/$defs/name", "default": "train",
          "description": "Whose loss early stopping and reduce_on_plateau look at after each epoch."
        },
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
        "pixels": {"type": "integer", "minimum": 0, "maximum": 1024, "default": 0},
        "probability": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
        "strength": {"type": "number", "minimum": 0, "maximum": 10, "default": 0},
        "padding": {
          "oneOf": [
            {"enum": ["valid", "same"]}, {"type": "integer", "minimum": 0, "maximum": 63}
          ],
          "default": "valid"
        },
        "function": {
          "enum": [
            "relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus",
            "relu6", "hard_sigmoid", "hard_swish", "hard_tanh"
          ]
        },
        "activation": {
          "anyOf": [{"const": "none"}, {"$ref": "#/$defs/function"}], "default": "none"
        },
        "factor": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "trainable": {
          "type": "boolean", "default": true,
          "description": "false keeps the layer's parameters as they are."
        },
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
                "dilation": {"$ref": "#/$defs/window", "default": 1},
                "groups": {
                  "$ref": "#/$defs/width", "default": 1,
                  "description": "A divisor of the channels and of the filters."
                },
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"},
                "trainable": {"$ref": "#/$defs/trainable"}
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
              "type": "object", "additionalProperties": false,
              "required": ["type", "filters", "kernel"],
              "description": "Over sequences, [steps, ...].",
              "properties": {
                "type": {"const": "conv1d"},
                "filters": {"$ref": "#/$defs/width"},
                "kernel": {"$ref": "#/$defs/window"},
                "stride": {"$ref": "#/$defs/window", "default": 1},
                "padding": {"enum": ["valid", "same"], "default": "valid"},
                "dilation": {"$ref": "#/$defs/window", "default": 1},
                "groups": {"$ref": "#/$defs/width", "default": 1},
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"enum": ["layer_norm", "rms_norm"]},
                "epsilon": {"$ref": "#/$defs/positive", "default": 1e-5},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "description": "global_average_pool and global_max_pool: the mean and the largest of each channel over all pixels or steps.",
              "properties": {
                "type": {"enum": ["flatten", "global_average_pool", "global_max_pool"]}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "description": "A learned number for each element of a sequence, added to it.",
              "properties": {
                "type": {"const": "position_embedding"},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "kernel"],
              "description": "Every channel with a filter of its own.",
              "properties": {
                "type": {"const": "depthwise_conv2d"},
                "kernel": {"$ref": "#/$defs/window"},
                "stride": {"$ref": "#/$defs/window", "default": 1},
                "padding": {"$ref": "#/$defs/padding"},
                "dilation": {"$ref": "#/$defs/window", "default": 1},
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false,
              "required": ["type", "filters", "kernel"],
              "description": "Larger images: with padding same, stride times the size.",
              "properties": {
                "type": {"const": "transposed_conv2d"},
                "filters": {"$ref": "#/$defs/width"},
                "kernel": {"$ref": "#/$defs/window"},
                "stride": {"$ref": "#/$defs/window", "default": 1},
                "padding": {"$ref": "#/$defs/padding"},
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "factor"],
              "properties": {
                "type": {"const": "upsample2d"},
                "factor": {"$ref": "#/$defs/window"},
                "mode": {"enum": ["nearest", "linear"], "default": "nearest"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "groups"],
              "properties": {
                "type": {"const": "group_norm"},
                "groups": {
                  "$ref": "#/$defs/width", "description": "A divisor of the channels."
                },
                "epsilon": {"$ref": "#/$defs/positive", "default": 1e-5},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "axes"],
              "properties": {
                "type": {"const": "permute"},
                "axes": {
                  "type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": true,
                  "items": {"type": "integer", "minimum": 0, "maximum": 2},
                  "description": "For each axis of the result which axis of the sample it is."
                }
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "heads"],
              "description": "Over sequences, whose features are a multiple of heads.",
              "properties": {
                "type": {"enum": ["self_attention", "transformer_block"]},
                "heads": {"$ref": "#/$defs/width"},
                "causal": {
                  "type": "boolean", "default": false,
                  "description": "Whether a step sees none behind it."
                },
                "dropout": {"$ref": "#/$defs/rate", "default": 0},
                "expansion": {
                  "type": "integer", "minimum": 1, "maximum": 16, "default": 4,
                  "description": "Of a transformer_block: units of its first dense layer over the features."
                },
                "activation": {
                  "$ref": "#/$defs/function", "default": "gelu",
                  "description": "Of a transformer_block."
                },
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "layers"],
              "description": "What the layers make of a value is added to the value; at most 4 deep.",
              "properties": {
                "type": {"const": "residual"},
                "layers": {
                  "type": "array", "minItems": 1, "maxItems": 256,
                  "items": {"$ref": "#/$defs/layer"}
                },
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "units"],
              "properties": {
                "type": {"const": "dense"},
                "units": {"$ref": "#/$defs/width"},
                "use_bias": {"type": "boolean", "default": true},
                "activation": {"$ref": "#/$defs/activation"},
                "trainable": {"$ref": "#/$defs/trainable"}
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
                "momentum": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.1},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false,
              "required": ["type", "activation"],
              "properties": {
                "type": {"const": "activation"}, "activation": {"$ref": "#/$defs/function"}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type", "units"],
              "description": "Over sequences, [steps, ...]: the first dimension of a sample is its steps.",
              "properties": {
                "type": {"enum": ["lstm", "gru", "rnn"]},
                "units": {"$ref": "#/$defs/width"},
                "layers": {"type": "integer", "minimum": 1, "maximum": 8, "default": 1},
                "bidirectional": {"type": "boolean", "default": false},
                "return_sequences": {"type": "boolean", "default": false},
                "activation": {
                  "enum": [
                    "relu", "sigmoid", "tanh", "leaky_relu", "elu", "softplus", "relu6",
                    "hard_sigmoid", "hard_tanh"
                  ],
                  "default": "tanh", "description": "Of an rnn only."
                },
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            },
            {
              "type": "object", "additionalProperties": false,
              "required": ["type", "entries", "dimensions"],
              "description": "The first layer, over samples of INT32 or UINT8 indices.",
              "properties": {
                "type": {"const": "embedding"},
                "entries": {"type": "integer", "minimum": 1, "maximum": 16777216},
                "dimensions": {"$ref": "#/$defs/width"},
                "trainable": {"$ref": "#/$defs/trainable"}
              }
            }
          ]
        },
        "optimizer": {
          "oneOf": [
            {
              "type": "object", "additionalProperties": false,
              "properties": {
                "type": {"enum": ["adam", "adamw", "lamb"], "default": "adam"},
                "learning_rate": {"$ref": "#/$defs/positive", "default": 0.001},
                "weight_decay": {
                  "type": "number", "minimum": 0,
                  "description": "By default 0 for adam, 0.01 for adamw and lamb."
                },
                "beta1": {"$ref": "#/$defs/rate", "default": 0.9},
                "beta2": {"$ref": "#/$defs/rate", "default": 0.999},
                "epsilon": {
                  "$ref": "#/$defs/positive",
                  "description": "By default 1e-8 for adam and adamw, 1e-6 for lamb."
                }
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
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "adagrad"},
                "learning_rate": {"$ref": "#/$defs/positive", "default": 0.01},
                "weight_decay": {"type": "number", "minimum": 0, "default": 0},
                "epsilon": {"$ref": "#/$defs/positive", "default": 1e-10}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "rmsprop"},
                "learning_rate": {"$ref": "#/$defs/positive", "default": 0.01},
                "weight_decay": {"type": "number", "minimum": 0, "default": 0},
                "decay": {"$ref": "#/$defs/rate", "default": 0.99},
                "momentum": {"$ref": "#/$defs/rate", "default": 0},
                "epsilon": {"$ref": "#/$defs/positive", "default": 1e-8}
              }
            }
          ]
        },
        "loss": {
          "oneOf": [
            {
              "enum": [
                "cross_entropy", "binary_cross_entropy", "mean_squared_error",
                "mean_absolute_error", "huber", "hinge", "kullback_leibler"
              ]
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "cross_entropy"},
                "label_smoothing": {"$ref": "#/$defs/rate", "default": 0},
                "class_weights": {
                  "type": "array", "maxItems": 65536, "items": {"type": "number", "minimum": 0},
                  "description": "One for each class; empty for ones.", "default": []
                }
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "binary_cross_entropy"},
                "positive_weight": {"$ref": "#/$defs/positive", "default": 1}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {"const": "huber"}, "delta": {"$ref": "#/$defs/positive", "default": 1}
              }
            },
            {
              "type": "object", "additionalProperties": false, "required": ["type"],
              "properties": {
                "type": {
                  "enum": [
                    "mean_squared_error", "mean_absolute_error", "hinge", "kullback_leibler"
                  ]
                }
              }
            }
          ]
        },
        "schedule": {
          "type": "object",
          "properties": {
            "type": {
              "enum": [
                "constant", "step", "exponential", "cosine", "one_cycle", "reduce_on_plateau"
              ],
              "default": "constant"
            },
            "warmup_epochs": {
              "type": "number", "minimum": 0, "maximum": 100000, "default": 0,
              "description": "In which the rate rises in equal parts to where the rest begins."
            }
          },
          "oneOf": [
            {"properties": {"type": {"const": "constant"}}},
            {
              "properties": {
                "type": {"const": "step"},
                "epochs": {"type": "integer", "minimum": 1, "maximum": 100000},
                "factor": {"$ref": "#/$defs/factor", "default": 0.1}
              },
              "required": ["type", "epochs"]
            },
            {
              "properties": {
                "type": {"const": "exponential"},
                "factor": {"$ref": "#/$defs/factor", "default": 0.9}
              },
              "required": ["type"]
            },
            {
              "properties": {
                "type": {"const": "cosine"},
                "minimum": {"type": "number", "minimum": 0, "default": 0}
              },
              "required": ["type"]
            },
            {
              "properties": {
                "type": {"const": "one_cycle"},
                "rising_fraction": {
                  "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.3
                },
                "initial_divisor": {"type": "number", "minimum": 1, "default": 25},
                "final_divisor": {"type": "number", "minimum": 1, "default": 10000}
              },
              "required": ["type"]
            },
            {
              "properties": {
                "type": {"const": "reduce_on_plateau"},
                "factor": {"$ref": "#/$defs/factor", "default": 0.1},
                "patience": {"type": "integer", "minimum": 0, "maximum": 100000, "default": 10},
                "threshold": {"$ref": "#/$defs/rate", "default": 0.0001},
                "minimum": {"type": "number", "minimum": 0, "default": 0}
              },
              "required": ["type"]
            }
          ],
          "unevaluatedProperties": false
        }
      }
    }
    """#
}
