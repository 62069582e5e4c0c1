// SPDX-License-Identifier: Apache-2.0

/// The data set of a preset: its name, and how it is imported from the files of a folder.
struct PresetData: Sendable {
  /// The data set's name.
  let name: String
  /// Options of `massif data import`; a file's name is taken from the folder of `--data`.
  let options: [String]
  /// Which options name a file, by their index.
  let files: Set<Int>
  /// How the folder is made.
  let recipe: String

  /// The options with the files of a folder.
  func options(in folder: String) -> [String] {
    options.enumerated().map { index, option in
      guard files.contains(index) else { return option }
      // As train/images=FILE, or FILE.
      let parts = option.split(separator: "=", maxSplits: 1)
      return parts.count == 2 ? "\(parts[0])=\(folder)/\(parts[1])" : "\(folder)/\(option)"
    }
  }

  static let fashion = PresetData(
    name: "fashion-mnist",
    options: [
      "--idx", "train/images=train-images-idx3-ubyte.gz",
      "--idx", "train/labels=train-labels-idx1-ubyte.gz",
      "--idx", "test/images=t10k-images-idx3-ubyte.gz",
      "--idx", "test/labels=t10k-labels-idx1-ubyte.gz",
    ], files: [1, 3, 5, 7],
    recipe: "apt-get install dataset-fashion-mnist; it is in /usr/share/datasets/fashion-mnist")

  /// A table that `scripts/dataset` makes, of which a fifth is held out.
  static func table(_ name: String) -> PresetData {
    PresetData(
      name: name, options: ["--csv", "\(name).csv"], files: [1],
      recipe: "scripts/dataset \(name) FOLDER")
  }

  /// The same table as one matrix, as a network takes it.
  static func matrix(_ name: String, label: String) -> PresetData {
    PresetData(
      name: "\(name)-matrix", options: ["--csv", "\(name).csv", "--label", label], files: [1],
      recipe: "scripts/dataset \(name) FOLDER")
  }

  static let supermarket = PresetData(
    name: "supermarket", options: ["--arff", "supermarket.arff"], files: [1],
    recipe: "scripts/dataset supermarket FOLDER")

  static let japaneseVowels = PresetData(
    name: "japanese-vowels",
    options: [
      "--npy", "train/sequences=japanese-vowels-train-sequences.npy",
      "--npy", "train/labels=japanese-vowels-train-labels.npy",
      "--npy", "test/sequences=japanese-vowels-test-sequences.npy",
      "--npy", "test/labels=japanese-vowels-test-labels.npy",
    ], files: [1, 3, 5, 7], recipe: "scripts/dataset japanese-vowels FOLDER")

  static let shakespeare = PresetData(
    name: "shakespeare",
    options: [
      "--text", "shakespeare.txt", "--context", "64", "--stride", "48", "--test-fraction", "0.05",
    ],
    files: [1], recipe: "scripts/dataset shakespeare FOLDER")
}
