// SPDX-License-Identifier: Apache-2.0
import Runtime

@testable import ModelPlugins

/// Data sets made here, small enough to learn in a moment.
enum SyntheticData {
  /// Images of 8×8 bytes with a bright quarter; the label says which of the four it is.
  static func quarters(
    train: Int = 256, test: Int = 64, labels: DataType = .uint8
  ) throws -> DataSetView {
    try dataset([
      ("train", images(train, stream: 1), train), ("test", images(test, stream: 2), test),
    ]) { count in
      (TensorSpecification(name: "labels", datatype: labels, shape: [count]), { $0 % 4 })
    }
  }

  /// The same images with the quarter's number as an FP32 target.
  static func regression(count: Int = 128) throws -> DataSetView {
    let pixels = images(count, stream: 3)
    let targets = (0..<count).flatMap { bytes(of: Float($0 % 4)) }
    return try view([
      (TensorSpecification(name: "train/images", datatype: .uint8, shape: [count, 8, 8]), pixels),
      (TensorSpecification(name: "train/labels", datatype: .fp32, shape: [count]), targets),
    ])
  }

  /// Images whose upper half is bright where the label is 1; `labels` are integers, `numbers` the same as
  /// FP32, with -1 instead of 0 for a hinge.
  static func halves(train count: Int, hinge: Bool) throws -> DataSetView {
    let pixels = images(count, stream: 5)
    let classes = (0..<count).map { UInt8($0 % 4 < 2 ? 1 : 0) }
    let numbers = classes.flatMap { bytes(of: $0 == 0 && hinge ? -1 : Float($0)) }
    return try view([
      (TensorSpecification(name: "train/images", datatype: .uint8, shape: [count, 8, 8]), pixels),
      (TensorSpecification(name: "train/labels", datatype: .uint8, shape: [count]), classes),
      (TensorSpecification(name: "train/numbers", datatype: .fp32, shape: [count]), numbers),
    ])
  }

  /// Sequences of six indices; the label is 1 where the 3 comes before the 5.
  static func words(train count: Int, _ datatype: DataType) throws -> DataSetView {
    let random = Philox(key: 7, stream: 6)
    var words: [UInt8] = []
    var labels: [UInt8] = []
    for sample in 0..<count {
      var sentence = (0..<6).map {
        UInt8([0, 1, 2, 4][random.integer(at: UInt64(sample * 8 + $0), below: 4)])
      }
      let first = random.integer(at: UInt64(sample * 8 + 6), below: 3)
      let second = 3 + random.integer(at: UInt64(sample * 8 + 7), below: 3)
      let isOrdered = sample % 2 == 0
      (sentence[first], sentence[second]) = isOrdered ? (3, 5) : (5, 3)
      words += sentence
      labels.append(isOrdered ? 1 : 0)
    }
    let width = datatype.byteCount ?? 1
    let bytes = words.flatMap { [$0] + [UInt8](repeating: 0, count: width - 1) }
    return try view([
      (TensorSpecification(name: "train/words", datatype: datatype, shape: [count, 6]), bytes),
      (TensorSpecification(name: "train/labels", datatype: .uint8, shape: [count]), labels),
    ])
  }

  /// Owns the bytes of a data set.
  private final class Owner: Sendable {
    let boxes: [ByteBox]
    init(_ boxes: [ByteBox]) { self.boxes = boxes }
  }

  static func view(
    _ tensors: [(specification: TensorSpecification, bytes: [UInt8])]
  ) throws -> DataSetView {
    let boxes = tensors.map { ByteBox($0.bytes) }
    return try DataSetView(
      tensors: zip(tensors, boxes).map { ($0.specification, $1.bytes) }, owner: Owner(boxes))
  }

  private static func dataset(
    _ splits: [(name: String, images: [UInt8], count: Int)],
    labels: (Int) -> (TensorSpecification, (Int) -> Int)
  ) throws -> DataSetView {
    var tensors: [(TensorSpecification, [UInt8])] = []
    for split in splits {
      tensors.append(
        (
          TensorSpecification(
            name: "\(split.name)/images", datatype: .uint8, shape: [split.count, 8, 8]),
          split.images
        ))
      var (specification, label) = labels(split.count)
      specification.name = "\(split.name)/\(specification.name)"
      let width = specification.datatype.byteCount ?? 1
      let bytes = (0..<split.count).flatMap { sample in
        (0..<width).map { UInt8(truncatingIfNeeded: label(sample) >> (8 * $0)) }
      }
      tensors.append((specification, bytes))
    }
    return try view(tensors)
  }

  private static func images(_ count: Int, stream: UInt64) -> [UInt8] {
    let noise = Philox(key: 7, stream: stream)
    return (0..<(count * 64)).map { index in
      let (sample, pixel) = (index / 64, index % 64)
      let quarter = (pixel / 32) * 2 + (pixel % 8) / 4
      let random = noise.integer(at: UInt64(index), below: 80)
      return UInt8(random + (quarter == sample % 4 ? 120 : 0))
    }
  }

  private static func bytes(of value: Float) -> [UInt8] {
    withUnsafeBytes(of: value) { Array($0) }
  }
}

/// Configurations that the tests train.
enum TestNetworks {
  /// A small convolutional network over 8×8 images of four classes.
  static let convolutional = """
    {"input":{"scale":0.00392156862745098},
     "layers":[{"type":"conv2d","filters":4,"kernel":3,"activation":"relu"},
       {"type":"max_pool2d","size":2},{"type":"flatten"},
       {"type":"dense","units":16,"activation":"relu"},{"type":"dropout","rate":0.25},
       {"type":"dense","units":4}],
     "optimizer":{"type":"adam","learning_rate":0.01},"epochs":4,"batch_size":32,
     "serving":{"max_batch_size":8}}
    """

  /// Every kind of layer.
  static let everyLayer = """
    {"input":{"scale":0.01,"offset":-1},
     "layers":[{"type":"batch_norm"},
       {"type":"conv2d","filters":4,"kernel":3,"padding":"same","use_bias":false},
       {"type":"batch_norm","momentum":0.2},{"type":"activation","activation":"relu"},
       {"type":"average_pool2d","size":2},
       {"type":"conv2d","filters":8,"kernel":3,"padding":1,"stride":2,"activation":"tanh"},
       {"type":"max_pool2d","size":2,"stride":1},{"type":"flatten"},
       {"type":"dropout","rate":0.1},{"type":"dense","units":8,"activation":"sigmoid"},
       {"type":"dense","units":4}],
     "optimizer":{"type":"sgd","learning_rate":0.1,"momentum":0.9,"nesterov":true},
     "epochs":3,"batch_size":50}
    """
}

extension TestNetworks {
  /// Normalisations by rows, convolution over steps, global pooling.
  static let normalised = """
    {"input":{"scale":0.01,"offset":-1},
     "layers":[{"type":"conv1d","filters":12,"kernel":3,"padding":"same","activation":"gelu"},
       {"type":"layer_norm"},{"type":"conv1d","filters":9,"kernel":3,"stride":2},
       {"type":"rms_norm"},{"type":"global_average_pool"},{"type":"batch_norm"},
       {"type":"dense","units":4}],
     "optimizer":{"type":"adamw","learning_rate":0.01},"epochs":3,"batch_size":50}
    """

  /// Attention over the rows of images.
  static let attentive = """
    {"input":{"scale":0.01,"offset":-1},
     "layers":[{"type":"position_embedding"},{"type":"self_attention","heads":2,"causal":true},
       {"type":"transformer_block","heads":4,"expansion":2,"dropout":0.1,"activation":"relu"},
       {"type":"global_max_pool"},{"type":"dense","units":4}],
     "optimizer":{"type":"adam","learning_rate":0.01},"epochs":3,"batch_size":50}
    """

  /// Convolutions of every kind, up and down again, one around others.
  static let general = """
    {"input":{"scale":0.01,"offset":-1},
     "layers":[{"type":"conv2d","filters":4,"kernel":3,"padding":"same","dilation":2},
       {"type":"group_norm","groups":2},
       {"type":"residual","layers":[
         {"type":"depthwise_conv2d","kernel":3,"padding":"same","activation":"relu"},
         {"type":"residual","layers":[{"type":"group_norm","groups":4}]},
         {"type":"conv2d","filters":4,"kernel":1,"groups":2}]},
       {"type":"max_pool2d","size":2},
       {"type":"transposed_conv2d","filters":6,"kernel":4,"stride":2,"padding":"same",
        "activation":"relu"},
       {"type":"average_pool2d","size":4},{"type":"upsample2d","factor":2,"mode":"linear"},
       {"type":"permute","axes":[2,0,1]},{"type":"permute","axes":[1,2,0]},
       {"type":"conv1d","filters":6,"kernel":2,"dilation":2,"groups":3},{"type":"flatten"},
       {"type":"dense","units":4}],
     "optimizer":{"type":"adam","learning_rate":0.01},"epochs":3,"batch_size":50}
    """

  /// Every kind of recurrent layer, over rows of images.
  static let recurrent = """
    {"input":{"scale":0.01,"offset":-1},
     "layers":[{"type":"gru","units":8,"layers":2,"bidirectional":true,"return_sequences":true},
       {"type":"rnn","units":6,"return_sequences":true},{"type":"dropout","rate":0.1},
       {"type":"lstm","units":9,"bidirectional":true},{"type":"dense","units":4}],
     "optimizer":{"type":"adam","learning_rate":0.01},"epochs":3,"batch_size":50}
    """
}

/// Artifacts in memory, as a host's writer gathers them.
final class ArtifactStore {
  private(set) var contents: [String: [UInt8]] = [:]

  var writer: ArtifactWriter {
    { self.contents[$0, default: []].append(contentsOf: $1) }
  }

  var artifacts: [Artifact] {
    contents.sorted { $0.key < $1.key }.map { Artifact(name: $0.key, copying: $0.value) }
  }
}
