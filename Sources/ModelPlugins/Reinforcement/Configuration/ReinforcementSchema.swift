// SPDX-License-Identifier: Apache-2.0

/// The parts of the families' JSON Schemas (2020-12) that they share.
enum ReinforcementSchema {
  static let definitions = #"""
    "amount": {"type": "number", "minimum": -1000000, "maximum": 1000000},
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "steps": {"type": "integer", "minimum": 1, "maximum": 10000000,
          "description": "The most steps of an episode."}
    """#

  static let finiteEnvironments = #"""
    {
      "type": "object", "additionalProperties": false, "required": ["type"],
      "properties": {
        "type": {"const": "frozen_lake"},
        "map": {
          "oneOf": [
            {"enum": ["4x4", "8x8"]},
            {"type": "array", "minItems": 1, "maxItems": 64,
              "items": {"type": "string", "pattern": "^[SFHG]{1,64}$"}}
          ],
          "default": "4x4"
        },
        "slippery": {"type": "boolean", "default": true},
        "success_rate": {"$ref": "#/$defs/probability", "default": 0.3333333333333333},
        "reward_schedule": {
          "type": "array", "minItems": 3, "maxItems": 3, "items": {"$ref": "#/$defs/amount"},
          "default": [1, 0, 0], "description": "For the goal, a hole and anything else."
        },
        "max_episode_steps": {"$ref": "#/$defs/steps",
          "description": "By default 200 on the map 8x8, 100 on others."}
      }
    },
    {
      "type": "object", "additionalProperties": false, "required": ["type"],
      "properties": {
        "type": {"const": "cliff_walking"},
        "slippery": {"type": "boolean", "default": false},
        "max_episode_steps": {"$ref": "#/$defs/steps", "default": 1000}
      }
    },
    {
      "type": "object", "additionalProperties": false, "required": ["type"],
      "properties": {
        "type": {"const": "taxi"},
        "rainy": {"type": "boolean", "default": false},
        "rainy_probability": {"$ref": "#/$defs/probability", "default": 0.8},
        "max_episode_steps": {"$ref": "#/$defs/steps", "default": 200}
      }
    }
    """#

  static let cartPole = #"""
    {
      "type": "object", "additionalProperties": false, "required": ["type"],
      "properties": {
        "type": {"const": "cart_pole"},
        "count": {"type": "integer", "minimum": 1, "maximum": 1024, "default": 1},
        "max_episode_steps": {"$ref": "#/$defs/steps", "default": 500}
      }
    }
    """#

  /// - Parameter observation: the schema of what is observed.
  static func remote(observation: String) -> String {
    #"""
    {
      "type": "object", "additionalProperties": false,
      "required": ["type", "observation", "actions"],
      "description": "Environments that a client lends over massif.v1.Environments/Connect.",
      "properties": {
        "type": {"const": "remote"},
        "count": {"type": "integer", "minimum": 1, "maximum": 1024, "default": 1},
        "observation": \#(observation),
        "actions": {"type": "integer", "minimum": 2, "maximum": 1024},
        "max_episode_steps": {"$ref": "#/$defs/steps", "default": 10000},
        "at_step_limit": {"enum": ["fail", "truncate"], "default": "fail"},
        "answer_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 3600,
          "default": 30},
        "attach_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 86400,
          "default": 300}
      }
    }
    """#
  }

  static let states = #"""
    {
      "type": "object", "additionalProperties": false, "required": ["type", "count"],
      "properties": {
        "type": {"const": "states"},
        "count": {"type": "integer", "minimum": 1, "maximum": 4194304}
      }
    }
    """#

  static let box = #"""
    {
      "type": "object", "additionalProperties": false, "required": ["type", "shape"],
      "properties": {
        "type": {"const": "box"},
        "shape": {"type": "array", "minItems": 1, "maxItems": 4,
          "items": {"type": "integer", "minimum": 1}}
      }
    }
    """#
}

extension TabularConfiguration {
  /// The JSON Schema of the configuration of `q-learning` or `sarsa`.
  ///
  /// A test keeps it in step with the reader.
  static func schema(_ title: String) -> String {
    #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "\#(title)",
      "type": "object",
      "additionalProperties": false,
      "required": ["environment"],
      "properties": {
        "environment": {
          "oneOf": [
            \#(ReinforcementSchema.finiteEnvironments),
            \#(ReinforcementSchema.remote(observation: ReinforcementSchema.states))
          ]
        },
        "exploration": \#(Exploration.schema),
        "rewards": \#(RewardShaping.schema),
        "learning_rate": {"$ref": "#/$defs/rate", "default": 0.1},
        "final_learning_rate": {"$ref": "#/$defs/rate",
          "description": "Reached in a straight line by the last episode; by default the first."},
        "discount": {"$ref": "#/$defs/probability", "default": 0.99},
        "initial_value": {"$ref": "#/$defs/amount", "default": 0},
        "epochs": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 20},
        "episodes_per_epoch": {"type": "integer", "minimum": 1, "maximum": 100000000,
          "default": 500},
        "evaluation_episodes": {"type": "integer", "minimum": 0, "maximum": 1000000,
          "description": "Greedy episodes after each epoch; by default 100, or 0 where the environment is remote."},
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
}
