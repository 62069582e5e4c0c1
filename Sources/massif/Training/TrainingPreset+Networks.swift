// SPDX-License-Identifier: Apache-2.0

extension TrainingPreset {
  /// Networks of each kind, over images, sequences, text and tables.
  static let networks = [
    TrainingPreset(
      name: "character-lstm", summary: "to write as Shakespeare, letter by letter",
      plugin: "neural-network", data: .shakespeare,
      configuration: #"""
        {"input_tensor":"text","label_tensor":"next",
        "layers":[{"type":"embedding","entries":256,"dimensions":32},
        {"type":"lstm","units":128},{"type":"dense","units":128}],
        "optimizer":{"type":"adam","learning_rate":0.003},
        "schedule":{"type":"cosine"},"gradient_clipping":{"norm":5},"epochs":8,"batch_size":64}
        """#),
    TrainingPreset(
      name: "cnn", summary: "Fashion-MNIST's ten classes", plugin: "neural-network",
      data: .fashion,
      configuration: #"""
        {"preset":{"name":"images","outputs":10},"input":{"scale":0.00392156862745098},
        "epochs":3,"batch_size":64}
        """#),
    TrainingPreset(
      name: "gru", summary: "nine speakers by how they say a vowel", plugin: "neural-network",
      data: .japaneseVowels,
      configuration: #"""
        {"input_tensor":"sequences",
        "layers":[{"type":"gru","units":64,"bidirectional":true},{"type":"dense","units":9}],
        "optimizer":{"type":"adam","learning_rate":0.003},"epochs":30,"batch_size":16}
        """#),
    TrainingPreset(
      name: "lstm", summary: "nine speakers by how they say a vowel", plugin: "neural-network",
      data: .japaneseVowels,
      configuration: #"""
        {"input_tensor":"sequences","preset":{"name":"sequences","outputs":9},
        "optimizer":{"type":"adam","learning_rate":0.003},"epochs":30,"batch_size":16}
        """#),
    TrainingPreset(
      name: "mlp", summary: "26 letters from measures of their shape", plugin: "neural-network",
      data: .matrix("letters", label: "lettr"),
      configuration: #"""
        {"input_tensor":"features","preset":{"name":"tables","outputs":26},
        "optimizer":{"type":"adam","learning_rate":0.002},"epochs":20,"batch_size":64}
        """#),
  ]
}
