// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct GraphTests {
  /// A way to misuse a graph, and the field that the error names.
  struct Misuse: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let field: String
    let build: @Sendable (inout Graph) throws -> Void

    init(
      _ what: String, names field: String, _ build: @escaping @Sendable (inout Graph) throws -> Void
    ) {
      testDescription = what
      self.field = field
      self.build = build
    }
  }

  static let misuses: [Misuse] = [
    Misuse("a dense layer on images", names: "input") {
      let w = try $0.parameter("w", shape: Shape([784, 10]), .zeros)
      _ = try $0.dense($0.input("x", shape: Shape([28, 28, 1])), weights: w)
    },
    Misuse("dense weights of another K", names: "weights") {
      let w = try $0.parameter("w", shape: Shape([9, 10]), .zeros)
      _ = try $0.dense($0.input("x", shape: Shape([8])), weights: w)
    },
    Misuse("a dense bias of another N", names: "bias") {
      let w = try $0.parameter("w", shape: Shape([8, 10]), .zeros)
      let b = try $0.parameter("b", shape: Shape([8]), .zeros)
      _ = try $0.dense($0.input("x", shape: Shape([8])), weights: w, bias: b)
    },
    Misuse("a dense layer on bytes", names: "input") {
      let w = try $0.parameter("w", shape: Shape([8, 10]), .zeros)
      _ = try $0.dense($0.input("x", .uint8, shape: Shape([8])), weights: w)
    },
    Misuse("a kernel larger than the image", names: "kernel") {
      let w = try $0.parameter("w", shape: Shape([5, 5, 1, 2]), .zeros)
      _ = try $0.conv2d($0.input("x", shape: Shape([4, 9, 1])), weights: w)
    },
    Misuse("weights of other channels", names: "weights") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 2, 2]), .zeros)
      _ = try $0.conv2d($0.input("x", shape: Shape([9, 9, 1])), weights: w)
    },
    Misuse("stride 0", names: "stride") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 1, 2]), .zeros)
      _ = try $0.conv2d($0.input("x", shape: Shape([9, 9, 1])), weights: w, stride: 0)
    },
    Misuse("negative padding", names: "padding") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 1, 2]), .zeros)
      _ = try $0.conv2d(
        $0.input("x", shape: Shape([9, 9, 1])), weights: w, padding: .symmetric(-1))
    },
    Misuse("padding as large as the kernel", names: "padding") {
      _ = try $0.averagePool2D(
        $0.input("x", shape: Shape([9, 9, 1])), size: 2, padding: .symmetric(2))
    },
    Misuse("pooling by nothing", names: "kernel") {
      _ = try $0.maxPool2D($0.input("x", shape: Shape([9, 9, 1])), size: 0)
    },
    Misuse("a pool without pixels", names: "kernel") {
      _ = try $0.maxPool2D($0.input("x", shape: Shape([1, 9, 1])), size: 2)
    },
    Misuse("a pool larger than its taps can say", names: "size") {
      _ = try $0.maxPool2D($0.input("x", shape: Shape([300, 300, 1])), size: 300)
    },
    Misuse("pooling a vector", names: "input") {
      _ = try $0.maxPool2D($0.input("x", shape: Shape([9])), size: 2)
    },
    Misuse("dropout of everything", names: "rate") {
      _ = try $0.dropout($0.input("x", shape: Shape([9])), rate: 1)
    },
    Misuse("dropout of not a number", names: "rate") {
      _ = try $0.dropout($0.input("x", shape: Shape([9])), rate: .nan)
    },
    Misuse("adding different shapes", names: "b") {
      _ = try $0.add($0.input("x", shape: Shape([9])), $0.input("y", shape: Shape([8])))
    },
    Misuse("cross-entropy with float labels", names: "labels") {
      _ = try $0.crossEntropy(
        $0.input("x", shape: Shape([9])), labels: $0.input("y", shape: Shape([])))
    },
    Misuse("cross-entropy of images", names: "logits") {
      _ = try $0.crossEntropy(
        $0.input("x", shape: Shape([9, 2])), labels: $0.input("y", .int32, shape: Shape([])))
    },
    Misuse("cross-entropy smoothed away", names: "smoothing") {
      _ = try $0.crossEntropy(
        $0.input("x", shape: Shape([9])), labels: $0.input("y", .int32, shape: .scalar),
        smoothing: 1)
    },
    Misuse("cross-entropy with the weights of other classes", names: "weights") {
      _ = try $0.crossEntropy(
        $0.input("x", shape: Shape([9])), labels: $0.input("y", .int32, shape: .scalar),
        weights: [1, 2])
    },
    Misuse("cross-entropy with a negative weight", names: "weights") {
      _ = try $0.crossEntropy(
        $0.input("x", shape: Shape([2])), labels: $0.input("y", .int32, shape: .scalar),
        weights: [1, -2])
    },
    Misuse("a Huber loss without a width", names: "delta") {
      let x = try $0.input("x", shape: Shape([9]))
      _ = try $0.loss(.huber(delta: 0), x, targets: x)
    },
    Misuse("a layer normalisation of other features", names: "offset") {
      let scale = try $0.parameter("scale", shape: Shape([3]), .ones)
      let offset = try $0.parameter("offset", shape: Shape([4]), .ones)
      _ = try $0.layerNormalization(
        $0.input("x", shape: Shape([2, 3])), scale: scale, offset: offset)
    },
    Misuse("an RMS normalisation that divides by zero", names: "epsilon") {
      let scale = try $0.parameter("scale", shape: Shape([3]), .ones)
      _ = try $0.rmsNormalization($0.input("x", shape: Shape([2, 3])), scale: scale, epsilon: 0)
    },
    Misuse("a global pool of vectors", names: "input") {
      _ = try $0.globalAveragePool($0.input("x", shape: Shape([3])))
    },
    Misuse("a convolution over a vector's steps", names: "input") {
      let w = try $0.parameter("w", shape: Shape([1, 3, 1, 2]), .ones)
      _ = try $0.conv1d($0.input("x", shape: Shape([3])), weights: w)
    },
    Misuse("reshaping to another size", names: "shape") {
      _ = try $0.reshape($0.input("x", shape: Shape([3])), to: Shape([4]))
    },
    Misuse("a slice beyond the end", names: "range") {
      _ = try $0.slice($0.input("x", shape: Shape([9])), axis: 0, 5..<10)
    },
    Misuse("a slice of no axis", names: "axis") {
      _ = try $0.slice($0.input("x", shape: Shape([9])), axis: 1, 0..<1)
    },
    Misuse("joining what does not fit", names: "values") {
      _ = try $0.concatenate(
        [$0.input("x", shape: Shape([9, 2])), $0.input("y", shape: Shape([9, 3]))], axis: 0)
    },
    Misuse("an embedding of floats", names: "indices") {
      let table = try $0.parameter("table", shape: Shape([3, 2]), .ones)
      _ = try $0.embedding($0.input("x", shape: Shape([9])), weights: table)
    },
    Misuse("bytes into a small table", names: "weights") {
      let table = try $0.parameter("table", shape: Shape([255, 2]), .ones)
      _ = try $0.embedding($0.input("x", .uint8, shape: Shape([9])), weights: table)
    },
    Misuse("an LSTM over vectors", names: "input") {
      let w = try $0.parameter("w", shape: Shape([3, 8]), .ones)
      _ = try $0.recurrent(
        .lstm, $0.input("x", shape: Shape([3])),
        RecurrentParameters(weights: w, recurrentWeights: w, bias: w))
    },
    Misuse("an LSTM with three gates", names: "recurrent_weights") {
      let w = try $0.parameter("w", shape: Shape([2, 6]), .ones)
      _ = try $0.recurrent(
        .lstm, $0.input("x", shape: Shape([3, 2])),
        RecurrentParameters(weights: w, recurrentWeights: w, bias: w))
    },
    Misuse("a GRU without its second bias", names: "recurrent_bias") {
      let w = try $0.parameter("w", shape: Shape([2, 6]), .ones)
      let b = try $0.parameter("b", shape: Shape([6]), .ones)
      _ = try $0.recurrent(
        .gru, $0.input("x", shape: Shape([3, 2])),
        RecurrentParameters(weights: w, recurrentWeights: w, bias: b))
    },
    Misuse("an LSTM that begins without a cell", names: "cell") {
      let w = try $0.parameter("w", shape: Shape([2, 8]), .ones)
      let b = try $0.parameter("b", shape: Shape([8]), .ones)
      _ = try $0.recurrent(
        .lstm, $0.input("x", shape: Shape([3, 2])),
        RecurrentParameters(weights: w, recurrentWeights: w, bias: b),
        initial: RecurrentState(hidden: $0.input("h", shape: Shape([2]))))
    },
    Misuse("a recurrent layer with GELU", names: "activation") {
      let w = try $0.parameter("w", shape: Shape([2, 2]), .ones)
      let b = try $0.parameter("b", shape: Shape([2]), .ones)
      _ = try $0.recurrent(
        .simple(.gelu), $0.input("x", shape: Shape([3, 2])),
        RecurrentParameters(weights: w, recurrentWeights: w, bias: b))
    },
    Misuse("squared error of different shapes", names: "targets") {
      _ = try $0.meanSquaredError(
        $0.input("x", shape: Shape([9])), targets: $0.input("y", shape: Shape([8])))
    },
    Misuse("normalising by other channels", names: "running_mean") {
      let c = try $0.parameter("c", shape: Shape([4]), .ones)
      let m = try $0.parameter("m", shape: Shape([3]), .ones)
      _ = try $0.batchNormalization(
        $0.input("x", shape: Shape([2, 2, 4])), scale: c, offset: c, runningMean: m,
        runningVariance: c)
    },
    Misuse("converting doubles", names: "input") {
      _ = try $0.convert($0.input("x", .fp64, shape: Shape([9])))
    },
    Misuse("scaling by infinity", names: "scale") {
      _ = try $0.convert($0.input("x", shape: Shape([9])), scale: .infinity)
    },
    Misuse("a sum of what does not broadcast", names: "b") {
      _ = try $0.binary(
        .multiply, $0.input("x", shape: Shape([3])), $0.input("y", shape: Shape([2])))
    },
    Misuse("the logarithm of integers", names: "input") {
      _ = try $0.unary(.logarithm, $0.input("x", .int32, shape: Shape([3])))
    },
    Misuse("comparing floats with integers", names: "b") {
      _ = try $0.compare(
        .less, $0.input("x", shape: Shape([3])), $0.input("y", .int32, shape: Shape([3])))
    },
    Misuse("choosing by numbers", names: "condition") {
      let x = try $0.input("x", shape: Shape([3]))
      _ = try $0.select(x, x, x)
    },
    Misuse("reducing an axis twice", names: "axes") {
      _ = try $0.reduce(.sum, $0.input("x", shape: Shape([3, 2])), axes: [0, -2])
    },
    Misuse("a variance of too few", names: "correction") {
      _ = try $0.variance($0.input("x", shape: Shape([3, 1])), axes: [1], correction: 1)
    },
    Misuse("more than there are", names: "count") {
      _ = try $0.topK($0.input("x", shape: Shape([3])), count: 4)
    },
    Misuse("an order of axes with one missing", names: "axes") {
      _ = try $0.permute($0.input("x", shape: Shape([3, 2])), axes: [1])
    },
    Misuse("a reflection of more than there is", names: "before") {
      _ = try $0.pad($0.input("x", shape: Shape([3])), axis: 0, before: 3, after: 0, .reflect)
    },
    Misuse("padding by a negative number", names: "after") {
      _ = try $0.pad($0.input("x", shape: Shape([3])), axis: 0, before: 0, after: -1)
    },
    Misuse("parts of another sum", names: "counts") {
      _ = try $0.split($0.input("x", shape: Shape([3])), axis: 0, counts: [2, 2])
    },
    Misuse("gathering by floats", names: "indices") {
      let x = try $0.input("x", shape: Shape([3]))
      _ = try $0.gather(x, x, axis: 0)
    },
    Misuse("gathering elements of another shape", names: "indices") {
      _ = try $0.gatherElements(
        $0.input("x", shape: Shape([3, 2])), $0.input("i", .int32, shape: Shape([3, 3])), axis: 0)
    },
    Misuse("scattering other slices", names: "updates") {
      let x = try $0.input("x", shape: Shape([3, 2]))
      _ = try $0.scatter(x, $0.constant(Shape([2]), indices: [0, 1]), x, axis: 0)
    },
    Misuse("rows of no elements", names: "count") {
      _ = try $0.oneHot($0.input("x", .int32, shape: Shape([3])), count: 0)
    },
    Misuse("strings as numbers", names: "datatype") {
      _ = try $0.cast($0.input("x", shape: Shape([3])), to: .bytes)
    },
    Misuse("a constant with an element too few", names: "elements") {
      _ = try $0.constant(Shape([2]), [1])
    },
    Misuse("padding beyond what can be counted", names: "shape") {
      _ = try $0.pad(
        $0.input("x", shape: Shape([3, 1 << 20])), axis: 0, before: 1 << 44, after: 0)
    },
    Misuse("matrices that do not fit", names: "b") {
      _ = try $0.matrixMultiply(
        $0.input("x", shape: Shape([2, 3])), $0.input("y", shape: Shape([2, 3])))
    },
    Misuse("a product with one number", names: "b") {
      _ = try $0.matrixMultiply($0.input("x", shape: Shape([2, 3])), $0.constant(1))
    },
    Misuse("keys of another width", names: "keys") {
      let x = try $0.input("x", shape: Shape([2, 3]))
      _ = try $0.attention(queries: x, keys: $0.input("k", shape: Shape([2, 4])), values: x)
    },
    Misuse("fewer values than keys", names: "values") {
      let x = try $0.input("x", shape: Shape([2, 3]))
      _ = try $0.attention(queries: x, keys: x, values: $0.input("v", shape: Shape([1, 3])))
    },
    Misuse("lengths in fractions", names: "lengths") {
      let x = try $0.input("x", shape: Shape([2, 3]))
      _ = try $0.attention(
        queries: x, keys: x, values: x, lengths: $0.input("l", shape: .scalar))
    },
    Misuse("more new steps than the cache has", names: "steps") {
      _ = try $0.appendToCache(
        $0.input("c", shape: Shape([2, 3])), steps: $0.input("s", shape: Shape([3, 3])),
        lengths: $0.input("l", .int32, shape: .scalar))
    },
    Misuse("groups that do not divide", names: "groups") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 1, 4]), .ones)
      _ = try $0.conv2d(
        $0.input("x", shape: Shape([9, 9, 4])), weights: w, dilation: 1, groups: 3)
    },
    Misuse("taps in one place", names: "dilation") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 1, 4]), .ones)
      _ = try $0.conv2d($0.input("x", shape: Shape([9, 9, 1])), weights: w, dilation: 0)
    },
    Misuse("taps too far apart to count", names: "dilation") {
      let w = try $0.parameter("w", shape: Shape([5, 5, 1, 4]), .ones)
      _ = try $0.conv2d($0.input("x", shape: Shape([9, 9, 1])), weights: w, dilation: 1 << 62)
    },
    Misuse("an output padding as large as the stride", names: "output_padding") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 1, 4]), .ones)
      _ = try $0.transposedConv2D(
        $0.input("x", shape: Shape([9, 9, 4])), weights: w, stride: 2, outputPadding: 2)
    },
    Misuse("a transposed convolution of more than can be counted", names: "padding") {
      let w = try $0.parameter("w", shape: Shape([3, 3, 1, 4]), .ones)
      _ = try $0.transposedConv2D(
        $0.input("x", shape: Shape([9, 9, 4])), weights: w, stride: 1 << 62)
    },
    Misuse("an image of no rows", names: "height") {
      _ = try $0.resize2D($0.input("x", shape: Shape([9, 9, 4])), height: 0, width: 3)
    },
    Misuse("channels in unequal groups", names: "groups") {
      let c = try $0.parameter("c", shape: Shape([4]), .ones)
      _ = try $0.groupNormalization(
        $0.input("x", shape: Shape([9, 9, 4])), groups: 3, scale: c, offset: c)
    },
    Misuse("a name twice", names: "name") {
      _ = try $0.input("x", shape: Shape([9]))
      _ = try $0.parameter("x", shape: Shape([9]), .zeros)
    },
  ]

  @Test(arguments: misuses)
  func refusesMisuseWithTheField(_ misuse: Misuse) {
    var graph = Graph()
    let error = #expect(throws: RuntimeError.self) { try misuse.build(&graph) }
    #expect(error?.field == misuse.field)
  }

  @Test func errorsSayWhereAndWhat() throws {
    var graph = Graph()
    let x = try graph.relu(graph.input("x", shape: Shape([28, 28, 1])))
    let w = try graph.parameter("w", shape: Shape([784, 10]), .zeros)
    let error = #expect(throws: RuntimeError.self) { try graph.dense(x, weights: w) }
    #expect(error?.operation == "operation 1 (dense)")
    #expect(
      error?.description
        == "operation 1 (dense).input: expected vectors, FP32 [batch, features]; "
        + "came FP32 [batch, 28, 28, 1]: flatten images before a dense layer")
  }

  @Test func shapesOfWindows() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([28, 27, 3]))
    let w = try graph.parameter("w", shape: Shape([5, 3, 3, 8]), .zeros)
    func shape(_ stride: Int, _ padding: Padding) throws -> [Int] {
      let y = try graph.conv2d(x, weights: w, stride: stride, padding: padding)
      return graph.type(of: y).shape.dimensions
    }
    #expect(try shape(1, .valid) == [24, 25, 8])
    #expect(try shape(2, .valid) == [12, 13, 8])
    #expect(try shape(1, .same) == [28, 27, 8])
    #expect(try shape(3, .same) == [10, 9, 8])
    #expect(try shape(1, .symmetric(1)) == [26, 27, 8])
  }

  @Test func activationsAreFusedForwardsAndBackwards() throws {
    let network = try SmallNetwork()
    var graph = network.graph
    let targets = graph.parameters.filter(\.isTrainable).map(\.value)
    let gradients = try graph.differentiate(network.loss, along: targets)
    let fused = graph.fused(keeping: [network.loss] + gradients.compactMap { $0 })
    let names = fused.nodes.map(\.operation.name)
    #expect(gradients.count == targets.count)
    #expect(!names.contains("relu"))
    // Of three, the one before the pool is fused; a batch normalisation and a dropout follow the others.
    #expect(names.filter { $0 == "relu gradient" }.count == 2)
    // The images' gradient is nobody's business.
    #expect(names.filter { $0 == "conv2d input gradient" }.count == 1)
  }

  @Test func valuesThatAreReadElsewhereAreNotFusedAway() throws {
    var run = GraphRun()
    let isa = try InstructionSet.preferred(forced: nil)
    let x = try run.input("x", Shape([1, 2]), [1, -1])
    let w = try run.parameter("w", Shape([2, 2]), [1, 0, 0, 1])
    let y = try run.graph.dense(x, weights: w)
    let z = try run.graph.relu(y)
    let sum = try run.graph.add(y, z)
    #expect(try run.run([sum, y], batch: 1, instructionSet: isa).values == [[2, -1], [1, -1]])
    #expect(try run.run([z], batch: 1, instructionSet: isa).values == [[1, 0]])
  }

  @Test func gradientsOfAValueUsedTwiceAreAdded() throws {
    var run = GraphRun()
    let isa = try InstructionSet.preferred(forced: nil)
    let x = try run.input("x", Shape([1, 2]), [0.5, -0.25])
    // y = tanh x + x, dy/dx = 2 - tanh² x
    let y = try run.graph.add(run.graph.tanh(x), x)
    let dx = try run.gradients(of: y, along: [1, 1], for: [x])
    let values = try run.run(dx, batch: 1, instructionSet: isa).values[0]
    #expect(deviation(values, from: [1.7864478, 1.9400148]) < 1e-5)
  }

  @Test func whatTheLossDoesNotDependOnHasNoGradient() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([2]))
    let t = try graph.input("t", shape: Shape([2]))
    let w = try graph.parameter("w", shape: Shape([2, 2]), .ones)
    let loss = try graph.meanSquaredError(x, targets: t)
    #expect(try graph.differentiate(loss, along: [w]) == [nil])
    #expect(throws: RuntimeError.self) { try graph.differentiate(x, along: [w]) }
  }
}
