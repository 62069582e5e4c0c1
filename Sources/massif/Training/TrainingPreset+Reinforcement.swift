// SPDX-License-Identifier: Apache-2.0

extension TrainingPreset {
  /// First runs in built-in environments, which take no data.
  static let agents = [
    TrainingPreset(
      name: "cart-pole", summary: "to keep a pole upright on a cart, by a network",
      plugin: "dqn", data: nil,
      configuration: """
        {"environment":{"type":"cart_pole"},"network":{"hidden":[64,64]},"learning_rate":0.0023,\
        "exploration":{"initial":1,"final":0.04,"fraction":0.16},"learning_starts":1000,\
        "train_frequency":256,"gradient_steps":128,"target_update_interval":256,"epochs":10,\
        "steps_per_epoch":5000,"evaluation_episodes":100}
        """),
    TrainingPreset(
      name: "cliff-walking", summary: "the shortest way along a cliff's edge",
      plugin: "q-learning", data: nil,
      configuration: """
        {"environment":{"type":"cliff_walking"},"learning_rate":0.5,"discount":1,\
        "exploration":{"initial":0.1,"final":0,"fraction":0.8},"epochs":10,\
        "episodes_per_epoch":100,"evaluation_episodes":1}
        """),
    TrainingPreset(
      name: "frozen-lake", summary: "to cross a lake of 8×8 between its holes, on-policy",
      plugin: "sarsa", data: nil,
      configuration: """
        {"environment":{"type":"frozen_lake","map":"8x8","slippery":false},"learning_rate":0.5,\
        "exploration":{"initial":1,"final":0.02,"fraction":0.8},"epochs":10,\
        "episodes_per_epoch":200,"evaluation_episodes":10}
        """),
    TrainingPreset(
      name: "taxi", summary: "to fetch a passenger and bring them where they want to go",
      plugin: "q-learning", data: nil,
      configuration: """
        {"environment":{"type":"taxi"},"learning_rate":0.7,\
        "exploration":{"initial":0.5,"final":0,"fraction":0.8},"epochs":10,\
        "episodes_per_epoch":500,"evaluation_episodes":300}
        """),
  ]
}
