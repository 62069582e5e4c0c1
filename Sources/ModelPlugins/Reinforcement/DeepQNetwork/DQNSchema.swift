// SPDX-License-Identifier: Apache-2.0

extension DQNConfiguration {
  /// The JSON Schema (2020-12) of the configuration.
  ///
  /// A test keeps it in step with the reader.
  static let schema = #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "dqn",
      "type": "object",
      "additionalProperties": false,
      "required": ["environment"],
      "properties": {
        "environment": {
          "oneOf": [
            \#(ReinforcementSchema.cartPole),
            \#(ReinforcementSchema.remote(observation: ReinforcementSchema.box))
          ]
        },
        "exploration": \#(Exploration.schema),
        "rewards": \#(RewardShaping.schema),
        "network": {
          "type": "object", "additionalProperties": false, "default": {},
          "properties": {
            "hidden": {
              "type": "array", "minItems": 1, "maxItems": 8, "default": [64, 64],
              "items": {"type": "integer", "minimum": 1, "maximum": 4096}
            },
            "duelling": {"type": "boolean", "default": false}
          }
        },
        "double": {"type": "boolean", "default": true},
        "loss": {"enum": ["huber", "mse"], "default": "huber"},
        "learning_rate": {"$ref": "#/$defs/rate", "default": 0.001},
        "max_gradient_norm": {"type": "number", "minimum": 0, "default": 10,
          "description": "0 for no bound."},
        "discount": {"$ref": "#/$defs/probability", "default": 0.99},
        "batch_size": {"type": "integer", "minimum": 1, "maximum": 65536, "default": 64},
        "replay": {
          "type": "object", "additionalProperties": false, "default": {},
          "properties": {
            "type": {"enum": ["uniform", "prioritised"], "default": "uniform"},
            "capacity": {"type": "integer", "minimum": 1, "maximum": 16777216, "default": 50000},
            "alpha": {"$ref": "#/$defs/probability", "default": 0.6},
            "initial_beta": {"$ref": "#/$defs/probability", "default": 0.4}
          }
        },
        "learning_starts": {"type": "integer", "minimum": 1, "default": 1000},
        "train_frequency": {"type": "integer", "minimum": 1, "default": 4,
          "description": "Steps in the environments between two rounds of learning."},
        "gradient_steps": {"type": "integer", "minimum": 1, "default": 1,
          "description": "Steps of learning in a round."},
        "target_update_interval": {"type": "integer", "minimum": 1, "default": 500,
          "description": "Steps in the environments."},
        "target_update_rate": {"$ref": "#/$defs/rate", "default": 1},
        "epochs": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 10},
        "steps_per_epoch": {"type": "integer", "minimum": 1, "default": 5000},
        "evaluation_episodes": {"type": "integer", "minimum": 0, "maximum": 100000,
          "description": "Greedy episodes after each epoch; by default 20, or 0 where the environment is remote."},
        "keep": {"enum": ["best", "last"], "default": "best",
          "description": "Which network is exported: that of the best evaluation, or the last."},
        "serving": {
          "type": "object", "additionalProperties": false, "default": {},
          "properties": {
            "max_batch_size": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 64}
          }
        }
      },
      "$defs": {
        \#(ReinforcementSchema.definitions)
      }
    }
    """#
}
