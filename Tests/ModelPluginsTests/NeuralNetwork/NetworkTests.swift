// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// A configuration against a data set: shapes that fit, tensors that are there.
struct NetworkTests {
  private static let fashion = DataSetDescription(tensors: [
    TensorSpecification(name: "train/images", datatype: .uint8, shape: [600, 28, 28]),
    TensorSpecification(name: "train/labels", datatype: .uint8, shape: [600]),
    TensorSpecification(name: "test/images", datatype: .uint8, shape: [100, 28, 28]),
    TensorSpecification(name: "test/labels", datatype: .uint8, shape: [100]),
  ])

  private func validate(
    _ layers: String, _ more: String = "", dataset: DataSetDescription = fashion
  ) throws {
    let host = try TestRegistry(threads: 1)
    try host.registry.registerBuiltIns()
    let plugin = try #require(host.registry.plugin(named: "neural-network"))
    try plugin.validate(configuration: #"{"layers":[\#(layers)]\#(more)}"#, dataset: dataset)
  }

  @Test("The network of the main job fits")
  func mainJob() throws {
    try validate(
      """
      {"type":"conv2d","filters":32,"kernel":3,"activation":"relu"},
      {"type":"conv2d","filters":64,"kernel":3,"activation":"relu"},
      {"type":"max_pool2d","size":2},{"type":"flatten"},
      {"type":"dense","units":128,"activation":"relu"},{"type":"dense","units":10}
      """)
  }

  @Test(
    "Layers whose shapes do not fit are named",
    arguments: [
      (
        #"{"type":"dense","units":10}"#, "configuration.layers[0]",
        "dense expects a vector; what comes to it has shape [28, 28, 1]"
      ),
      (
        #"{"type":"conv2d","filters":4,"kernel":29},{"type":"flatten"},{"type":"dense","units":10}"#,
        "configuration.layers[0].kernel", "29×29 window does not fit in 28×28"
      ),
      (
        #"{"type":"max_pool2d","size":14},{"type":"max_pool2d","size":3}"#,
        "configuration.layers[1].size", "3×3 window does not fit in 2×2"
      ),
      (
        #"{"type":"flatten"},{"type":"conv2d","filters":4,"kernel":3}"#,
        "configuration.layers[1]", "conv2d expects images"
      ),
      (
        #"{"type":"flatten"},{"type":"average_pool2d","size":2}"#, "configuration.layers[1]",
        "average_pool2d expects images"
      ),
      (
        #"{"type":"conv2d","filters":4,"kernel":3,"padding":3},{"type":"flatten"}"#,
        "configuration.layers[0].padding", "less than the kernel"
      ),
      (
        #"{"type":"conv2d","filters":4,"kernel":3}"#, "configuration.layers[0]",
        "one number for each of 2 or more classes"
      ),
      (
        #"{"type":"flatten"},{"type":"dense","units":1}"#, "configuration.layers[1]",
        "2 or more classes"
      ),
      (
        #"{"type":"flatten"},{"type":"dense","units":10,"activation":"sigmoid"}"#,
        "configuration.layers[1].activation", "cross_entropy takes logits"
      ),
      (
        #"{"type":"flatten"},{"type":"lstm","units":4}"#, "configuration.layers[1]",
        "lstm expects sequences"
      ),
      (
        #"{"type":"flatten"},{"type":"embedding","entries":4,"dimensions":2}"#,
        "configuration.layers[1]", "only be the first layer"
      ),
      (
        #"{"type":"embedding","entries":4,"dimensions":2},{"type":"lstm","units":10}"#,
        "configuration.layers[0]", "expected 256 entries"
      ),
      (
        #"{"type":"gru","units":65536},{"type":"dense","units":10}"#,
        "configuration.layers[0].units", "at most 536870912 parameters"
      ),
      (
        #"{"type":"conv2d","filters":4,"kernel":3,"groups":2}"#, "configuration.layers[0].groups",
        "expected a divisor of 1 channels; came 2"
      ),
      (
        #"{"type":"conv2d","filters":4,"kernel":3,"dilation":14}"#,
        "configuration.layers[0].kernel", "29×29 window does not fit in 28×28"
      ),
      (
        #"{"type":"group_norm","groups":2}"#, "configuration.layers[0].groups",
        "expected a divisor of 1 channels"
      ),
      (
        #"{"type":"flatten"},{"type":"transformer_block","heads":2}"#, "configuration.layers[1]",
        "transformer_block expects sequences"
      ),
      (
        #"{"type":"self_attention","heads":3}"#, "configuration.layers[0].heads",
        "expected a divisor of 28 features; came 3"
      ),
      (
        #"{"type":"permute","axes":[1,0]}"#, "configuration.layers[0].axes",
        "expected 3 axes"
      ),
      (
        #"{"type":"residual","layers":[{"type":"conv2d","filters":4,"kernel":3}]}"#,
        "configuration.layers[0]", "can be added to what comes to them, [28, 28, 1]"
      ),
      (
        #"{"type":"residual","layers":[{"type":"flatten"},{"type":"upsample2d","factor":2}]}"#,
        "configuration.layers[0].layers[1]", "upsample2d expects images"
      ),
      (
        #"{"type":"flatten"},{"type":"dense","units":65536},{"type":"dense","units":65536}"#,
        "configuration.layers[2].units", "at most 536870912 parameters"
      ),
    ])
  func shapesThatDoNotFit(layers: String, field: String, words: String) {
    let error = failure { try validate(layers) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.first?.field == field)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
  }

  private static let classifier = #"{"type":"flatten"},{"type":"dense","units":10}"#

  @Test(
    "Tensors that are not there, or not as they should be, are named",
    arguments: [
      (
        #","input_tensor":"pixels""#, fashion, "configuration.input_tensor",
        "expected a tensor train/pixels in the data set, which has train/images"
      ),
      (#","label_tensor":"classes""#, fashion, "configuration.label_tensor", "train/classes"),
      ("", images(.fp64, [28, 28]), "configuration.input_tensor", "FP64"),
      ("", images(.uint8, []), "configuration.input_tensor", "1 to 3"),
      ("", images(.uint8, [0]), "configuration.input_tensor", "came [0]"),
      ("", replacing("train/labels", .fp32, [600]), "configuration.label_tensor", "one integer"),
      (
        "", replacing("train/labels", .uint8, [600, 2]), "configuration.label_tensor", "one integer"
      ),
      ("", replacing("train/labels", .uint8, [599]), "configuration.label_tensor", "600 labels"),
      ("", replacing("test/images", .fp32, [100, 28, 28]), "configuration.input_tensor", "test/"),
      ("", replacing("test/labels", .uint8, [7]), "configuration.label_tensor", "100 labels"),
      (
        #","loss":"mean_squared_error""#, fashion, "configuration.label_tensor",
        "mean_squared_error expects FP32"
      ),
      (
        #","loss":"mean_squared_error""#,
        replacing(
          "test/labels", .fp32, [100, 3], in: replacing("train/labels", .fp32, [600, 3])),
        "configuration.layers[1]", "expected the last layer to give [3]"
      ),
    ])
  func tensorsThatDoNotFit(
    more: String, dataset: DataSetDescription, field: String, words: String
  ) {
    let error = failure { try validate(Self.classifier, more, dataset: dataset) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.first?.field == field)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
  }

  /// The data set with samples of another type.
  private static func images(_ datatype: DataType, _ shape: [Int]) -> DataSetDescription {
    replacing(
      "test/images", datatype, [100] + shape,
      in: replacing("train/images", datatype, [600] + shape))
  }

  private static func replacing(
    _ name: String, _ datatype: DataType, _ shape: [Int],
    in description: DataSetDescription = fashion
  ) -> DataSetDescription {
    var description = description
    for index in description.tensors.indices where description.tensors[index].name == name {
      description.tensors[index].datatype = datatype
      description.tensors[index].shape = shape
    }
    return description
  }

  @Test("An estimate grows with the network and with the batch")
  func estimate() throws {
    let host = try TestRegistry(threads: 1)
    try host.registry.registerBuiltIns()
    let plugin = try #require(host.registry.plugin(named: "neural-network"))
    func estimate(_ units: Int, _ batch: Int) throws -> MemoryEstimate {
      try plugin.estimateMemory(
        configuration: """
          {"layers":[{"type":"flatten"},{"type":"dense","units":\(units)},
          {"type":"dense","units":10}],"batch_size":\(batch)}
          """, dataset: Self.fashion)
    }
    let small = try estimate(64, 64)
    // 784 × 64 + 64 + 64 × 10 + 10 parameters of four bytes at the very least.
    #expect(small.inferenceByteCount > 4 * 50_890)
    #expect(small.trainingByteCount > 4 * small.inferenceByteCount / 2)
    #expect(try estimate(1024, 64).inferenceByteCount > 5 * small.inferenceByteCount)
    #expect(try estimate(64, 640).trainingByteCount > small.trainingByteCount)
  }

  @Test("A configuration of too many bytes is refused before it is read")
  func size() throws {
    let error = failure { try validate(String(repeating: " ", count: 2 << 20)) }
    #expect(error?.message.contains("at most 1048576 bytes") == true)
  }
}
