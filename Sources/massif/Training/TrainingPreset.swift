// SPDX-License-Identifier: Apache-2.0

/// A first run of a family: real data or a built-in environment, and settings that work on it.
struct TrainingPreset: Sendable {
  /// As `massif train --preset NAME` takes it.
  let name: String
  /// What it learns, in a line.
  let summary: String
  let plugin: String
  /// Where its files are and how they are made; nil where an environment takes their place.
  let data: PresetData?
  /// The plugin's configuration, a JSON object.
  let configuration: String

  /// Every preset, by name.
  static let all: [TrainingPreset] = (agents + clusters + regressions + rules).sorted {
    $0.name < $1.name
  }

  /// The preset of that name.
  static func named(_ name: String) throws(CommandError) -> TrainingPreset {
    guard let preset = all.first(where: { $0.name == name }) else {
      throw CommandError(
        "--preset \(name)", expected: "one of \(all.map(\.name).joined(separator: ", "))",
        came: "another")
    }
    return preset
  }
}

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
}

extension TrainingPreset {
  private static let regressions = [
    TrainingPreset(
      name: "linear-regression", summary: "the price of a diamond from its measures",
      plugin: "linear-regression", data: .table("diamonds"),
      configuration: #"{"target":"price"}"#),
    TrainingPreset(
      name: "logistic-regression", summary: "Fashion-MNIST's ten classes, one weight a pixel",
      plugin: "logistic-regression", data: .fashion,
      configuration: #"{"target":"labels","input":{"scale":0.00392156862745098}}"#),
  ]

  private static let clusters = [
    TrainingPreset(
      name: "dbscan", summary: "dense regions of the Space Shuttle's states",
      plugin: "dbscan", data: .table("shuttle"),
      configuration:
        #"{"features":["V1","V3","V5","V7","V8","V9"],"eps":3,"min_samples":20}"#),
    TrainingPreset(
      name: "gaussian-mixture", summary: "six kinds of ground in Landsat's bands",
      plugin: "gaussian-mixture", data: .table("satellite"),
      configuration:
        #"{"components":6,"features":["x_17","x_18","x_19","x_20"],"regularization":0.001}"#),
    TrainingPreset(
      name: "k-means", summary: "ten kinds of Fashion-MNIST images without their labels",
      plugin: "k-means", data: .fashion,
      configuration:
        #"{"features":["images"],"clusters":10,"input":{"scale":0.00392156862745098}}"#),
    TrainingPreset(
      name: "pca", summary: "fifty components of Fashion-MNIST images", plugin: "pca",
      data: .fashion,
      configuration:
        #"{"features":["images"],"components":50,"input":{"scale":0.00392156862745098}}"#),
  ]

  private static let rules = [
    TrainingPreset(
      name: "association-rules", summary: "what is bought together in a supermarket",
      plugin: "association-rules",
      data: PresetData(
        name: "supermarket", options: ["--arff", "supermarket.arff"], files: [1],
        recipe: "scripts/dataset supermarket FOLDER"),
      configuration: #"{"min_support":0.2,"min_confidence":0.7}"#)
  ]
}
