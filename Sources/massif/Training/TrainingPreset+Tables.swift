// SPDX-License-Identifier: Apache-2.0

extension TrainingPreset {
  /// Every byte of an image as a number from 0 to 1.
  private static let bytes = #""input":{"scale":0.00392156862745098}"#

  /// The families that learn from the columns of a table.
  static let tables = [
    TrainingPreset(
      name: "association-rules", summary: "what is bought together in a supermarket",
      plugin: "association-rules", data: .supermarket,
      configuration: #"{"min_support":0.2,"min_confidence":0.7}"#),
    TrainingPreset(
      name: "dbscan", summary: "dense regions of the Space Shuttle's states", plugin: "dbscan",
      data: .table("shuttle"),
      configuration:
        #"{"features":["V1","V3","V5","V7","V8","V9"],"eps":3,"min_samples":20}"#),
    TrainingPreset(
      name: "decision-tree", summary: "the Space Shuttle's states, as questions",
      plugin: "decision-tree", data: .table("shuttle"),
      configuration: #"{"target":"Class","pruning_alpha":0.0005}"#),
    TrainingPreset(
      name: "gaussian-mixture", summary: "six kinds of ground in Landsat's bands",
      plugin: "gaussian-mixture", data: .table("satellite"),
      configuration:
        #"{"components":6,"features":["x_17","x_18","x_19","x_20"],"regularization":0.001}"#),
    TrainingPreset(
      name: "gradient-boosting", summary: "the price of a diamond, tree after tree",
      plugin: "gradient-boosting", data: .table("diamonds"),
      configuration: #"{"target":"price","task":"regression","rounds":200}"#),
    TrainingPreset(
      name: "k-means", summary: "ten kinds of Fashion-MNIST images without their labels",
      plugin: "k-means", data: .fashion,
      configuration: #"{"features":["images"],"clusters":10,\#(bytes)}"#),
    TrainingPreset(
      name: "linear-regression", summary: "the price of a diamond from its measures",
      plugin: "linear-regression", data: .table("diamonds"),
      configuration: #"{"target":"price"}"#),
    TrainingPreset(
      name: "logistic-regression", summary: "which mail is spam, and which words say so",
      plugin: "logistic-regression", data: .table("spam"),
      configuration: #"{"target":"type","max_iterations":500}"#),
    TrainingPreset(
      name: "pca", summary: "fifty components of Fashion-MNIST images", plugin: "pca",
      data: .fashion,
      configuration: #"{"features":["images"],"components":50,\#(bytes)}"#),
    TrainingPreset(
      name: "random-forest", summary: "26 letters from measures of their shape",
      plugin: "random-forest", data: .table("letters"),
      configuration: #"{"target":"lettr","trees":100}"#),
  ]
}
