// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct PrincipalComponentsTests {
  @Test("Variances and components are scikit-learn's, up to their sign")
  func wine() throws {
    let golden = try FamilyGolden("components")
    let (trainer, artifacts) = try FamilyChecks.fit("pca", "{}", golden.features())
    let box = ByteBox(try #require(artifacts.contents["weights.safetensors"]))
    let weights = try TensorBundle(parsing: box.bytes, name: "weights")
    let variances: [Double] = try golden.values("variance")
    let found: [Double] = try weights.values("explained_variance")
    for (own, reference) in zip(found, variances) {
      #expect(abs(own - reference) <= 1e-9 * variances[0])
    }
    let components: [Double] = try golden.values("components")
    let axes: [Double] = try weights.values("components")
    for row in 0..<13 {
      let cosine = (0..<13).reduce(0.0) { $0 + axes[row * 13 + $1] * components[row * 13 + $1] }
      #expect(abs(abs(cosine) - 1) < 1e-6)
    }
    let metrics = try trainer.evaluate(split: "train")
    #expect(abs(try FamilyChecks.value("explained_variance", metrics) - 1) < 1e-9)
  }

  @Test("Few components of a large matrix are those of the whole one")
  func lanczos() throws {
    let n = 80
    let random = Philox(key: 5, stream: 0)
    var matrix = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0...i {
        let value = Double(random.integer(at: UInt64(i * n + j), below: 1000)) / 1000
        matrix[i * n + j] = value
        matrix[j * n + i] = value
      }
      matrix[i * n + i] += Double(i * i)
    }
    let whole = SymmetricMatrix.eigen(matrix, count: n)
    let few = LanczosIteration.largest(
      3, of: matrix, size: n, seed: 1, workers: try WorkerPool(threadCount: 1))
    // A small matrix may ask for the whole; where it does not, both are the same.
    let found = few?.values ?? Array(whole.values.prefix(3))
    #expect(found.count == 3)
    for index in 0..<3 {
      #expect(abs(found[index] - whole.values[index]) < 1e-7 * whole.values[0])
    }
    // A x = value x
    for index in 0..<n {
      let vector = whole.vectors[index * n..<(index + 1) * n]
      for row in 0..<n {
        let product = zip(matrix[row * n..<(row + 1) * n], vector).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(
          abs(product - whole.values[index] * vector[vector.startIndex + row]) < 1e-8 * 6400)
      }
    }
  }

  @Test("The same bits at any number of threads, and resumed")
  func sameBits() throws {
    try FamilyChecks.expectSameBits(
      "pca", #"{"components":3,"whiten":true}"#, FamilyGolden("components").features())
  }

  @Test("More components than columns, and constant data, are refused")
  func refusals() throws {
    var data = TableData()
    data.add("train/a", [1, 1, 1] as [Float])
    let view = try data.view()
    let plugin = try FamilyChecks.plugin("pca")
    #expect(
      pluginError {
        try plugin.validate(configuration: #"{"components":2}"#, dataset: view.description)
      }?.violations.first?.field == "configuration.components")
    let trainer = try plugin.makeTrainer(configuration: "{}", seed: 0, dataset: view)
    #expect(
      pluginError { try FamilyChecks.train(trainer) }?.message.contains("constant") == true)
  }
}
