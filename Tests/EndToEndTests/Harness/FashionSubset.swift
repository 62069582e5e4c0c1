// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The first images of Fashion-MNIST, as IDX files in a folder of the test's own.
struct FashionSubset {
  let directory: URL

  static let source = URL(filePath: "/usr/share/datasets/fashion-mnist")

  init(in parent: URL, train: Int, test: Int) async throws {
    directory = parent.appending(path: "fashion")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    guard let python = BuildProducts.python else {
      throw HarnessError("MASSIF_TEST_PYTHON is not set; run the tests with `make test`")
    }
    let result = try await Program.run(
      URL(filePath: python),
      [
        BuildProducts.root.appending(path: "Tests/EndToEndTests/Python/subset.py").path,
        Self.source.path, directory.path, "\(train)", "\(test)",
      ])
    guard result.status == 0 else { throw HarnessError(result.errors) }
  }

  var testImages: String { directory.appending(path: "t10k-images-idx3-ubyte.gz").path }
  var testLabels: String { directory.appending(path: "t10k-labels-idx1-ubyte.gz").path }

  /// The arguments of `massif data import` for this subset.
  func importArguments(_ name: String) -> [String] {
    let files = [
      "train/images": "train-images-idx3-ubyte.gz", "train/labels": "train-labels-idx1-ubyte.gz",
      "test/images": "t10k-images-idx3-ubyte.gz", "test/labels": "t10k-labels-idx1-ubyte.gz",
    ]
    return ["data", "import", name]
      + files.sorted { $0.key < $1.key }.flatMap {
        ["--idx", "\($0.key)=\(directory.appending(path: $0.value).path)"]
      }
  }

  /// Writes a training specification for a small convolutional network and gives its path.
  func specification(epochs: Int, seed: Int = 1, layers: [[String: Any]]? = nil) throws -> String {
    let small: [[String: Any]] = [
      ["type": "conv2d", "filters": 8, "kernel": 3, "activation": "relu"],
      ["type": "max_pool2d", "size": 2],
      ["type": "flatten"],
      ["type": "dense", "units": 10],
    ]
    let document: [String: Any] = [
      "model": "fashion", "dataset": "fashion", "plugin": "neural-network", "seed": seed,
      "configuration": [
        "input": ["scale": 1.0 / 255], "layers": layers ?? small, "loss": "cross_entropy",
        "optimizer": ["type": "adam", "learning_rate": 0.002], "epochs": epochs, "batch_size": 32,
      ],
    ]
    let file = directory.appending(path: "specification-\(UUID().uuidString).json")
    try JSONSerialization.data(withJSONObject: document).write(to: file)
    return file.path
  }
}
