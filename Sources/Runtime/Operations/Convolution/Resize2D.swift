// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, outputs N×OH×OW×C.

import CKernels

/// How pixels between pixels are made.
public enum ResizeMode: String, Sendable, Hashable, CaseIterable {
  /// The pixel that is there: place i is ⌊i · H / OH⌋.
  case nearest
  /// Between the four around it, centres of pixels being at halves.
  case linear
  /// Between the four around it, the corners' centres staying where they are.
  case linearAlignedCorners = "linear_aligned_corners"
}

extension Graph {
  /// Images in another size.
  ///
  /// - Parameter x: batched [H, W, C].
  /// - Returns: batched [OH, OW, C].
  /// - Throws: `.shapeMismatch` for what is no image, `.invalidArgument` for a size below one.
  public mutating func resize2D(
    _ x: Value, height: Int, width: Int, _ mode: ResizeMode = .nearest
  ) throws(RuntimeError) -> Value {
    try add(Resize2D(height: height, width: width, mode: mode), [x])[0]
  }

  /// Sequences in another length.
  ///
  /// - Parameter x: batched [T, C].
  /// - Returns: batched [T', C].
  /// - Throws: `.shapeMismatch` for what is no sequence, `.invalidArgument` for a length below one.
  public mutating func resize1D(
    _ x: Value, steps: Int, _ mode: ResizeMode = .nearest
  ) throws(RuntimeError) -> Value {
    let shape = type(of: x).shape
    guard shape.rank == 2 else {
      throw RuntimeError(
        .shapeMismatch, "expected sequences, FP32 [batch, steps, channels]; came \(type(of: x))",
        operation: "resize", field: "input")
    }
    let y = try resize2D(reshape(x, to: shape.prepending(1)), height: 1, width: steps, mode)
    return try reshape(y, to: Shape([steps, shape[1]]))
  }
}

/// Two places of an axis, and how much of the second.
struct ResizePlace: Sendable {
  let first: Int
  let second: Int
  let share: Float

  /// For every place of the result.
  static func all(from input: Int, to output: Int, _ mode: ResizeMode) -> [ResizePlace] {
    (0..<output).map { index in
      switch mode {
      case .nearest:
        let place = min(input - 1, Int(Double(index) * Double(input) / Double(output)))
        return ResizePlace(first: place, second: place, share: 0)
      case .linear:
        let centre = (Double(index) + 0.5) * Double(input) / Double(output) - 0.5
        return ResizePlace(max(0, centre), of: input)
      case .linearAlignedCorners:
        let step = output > 1 ? Double(input - 1) / Double(output - 1) : 0
        return ResizePlace(Double(index) * step, of: input)
      }
    }
  }

  private init(first: Int, second: Int, share: Float) {
    (self.first, self.second, self.share) = (first, second, share)
  }

  private init(_ place: Double, of input: Int) {
    let first = min(input - 1, Int(place))
    self.init(
      first: first, second: min(input - 1, first + 1), share: Float(place - Double(first)))
  }
}

/// y = x at other places.
struct Resize2D: Operation {
  let height: Int
  let width: Int
  let mode: ResizeMode
  var name: String { "resize" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    guard x.isBatched, x.datatype == .fp32, x.shape.rank == 3, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected images, FP32 [batch, height, width, channels]; came \(x)",
        operation: name, field: "input")
    }
    for (extent, field) in [(height, "height"), (width, "width")] where extent < 1 {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(extent)", operation: name, field: field)
    }
    return [TensorType(.fp32, try Shape([height, width, x.shape[2]]), isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = program.type(of: node.operands[0]).shape
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let places = ResizePlaces(shape, height: height, width: width, mode)
    let isa = program.instructionSet
    let rows = Tiling.rows(
      ofImage: height, workPerRow: width * places.channels, work: Tiling.elements)
    program.step(
      name, reads: [x], writes: [y], tiles: { Tiling.count($0 * places.rows.count, by: rows) }
    ) { frame, tile, _ in
      let total = frame.batch * places.rows.count
      for row in Tiling.range(tile, of: rows, total: total) {
        let (image, line) = row.quotientAndRemainder(dividingBy: places.rows.count)
        let source = frame.floats(x) + image * places.inputCount
        var out = frame.floats(y) + row * places.columns.count * places.channels
        for column in places.columns.indices {
          places.forEachCorner(line, column) { offset, weight, isFirst in
            if isFirst {
              isa.kernels.pointee.scale(out, source + offset, weight, 0, places.channels)
            } else {
              isa.kernels.pointee.axpy(out, source + offset, weight, places.channels)
            }
          }
          out += places.channels
        }
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let gradient = Resize2DGradient(mode: mode, type: graph.type(of: node.operands[0]))
    return [try graph.add(gradient, [dy])[0]]
  }
}

/// dx = each gradient shared out among the pixels that its pixel was made of; an image to a tile.
struct Resize2DGradient: Operation {
  let mode: ResizeMode
  let type: TensorType
  var name: String { "resize gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] { [type] }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let result = program.type(of: node.operands[0]).shape
    let (dy, dx) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let places = ResizePlaces(type.shape, height: result[0], width: result[1], mode)
    let isa = program.instructionSet
    program.step(name, reads: [dy], writes: [dx], tiles: { $0 }) { frame, image, _ in
      let out = frame.floats(dx) + image * places.inputCount
      isa.kernels.pointee.fill(out, 0, places.inputCount)
      var source = frame.floats(dy) + image * result.elementCount
      for line in places.rows.indices {
        for column in places.columns.indices {
          places.forEachCorner(line, column) { offset, weight, _ in
            isa.kernels.pointee.axpy(out + offset, source, weight, places.channels)
          }
          source += places.channels
        }
      }
    }
  }
}

/// Where each pixel of a resized image comes from.
private struct ResizePlaces: Sendable {
  let rows: [ResizePlace]
  let columns: [ResizePlace]
  let channels: Int
  let inputCount: Int
  private let inputWidth: Int

  init(_ input: Shape, height: Int, width: Int, _ mode: ResizeMode) {
    rows = ResizePlace.all(from: input[0], to: height, mode)
    columns = ResizePlace.all(from: input[1], to: width, mode)
    channels = input[2]
    inputCount = input.elementCount
    inputWidth = input[1]
  }

  /// Calls `body` for the pixels that one is made of.
  func forEachCorner(
    _ row: Int, _ column: Int, _ body: (_ offset: Int, _ weight: Float, _ isFirst: Bool) -> Void
  ) {
    let (row, column) = (rows[row], columns[column])
    func visit(_ y: Int, _ x: Int, _ weight: Float, isFirst: Bool = false) {
      if isFirst || weight != 0 { body((y * inputWidth + x) * channels, weight, isFirst) }
    }
    visit(row.first, column.first, (1 - row.share) * (1 - column.share), isFirst: true)
    visit(row.first, column.second, (1 - row.share) * column.share)
    visit(row.second, column.first, row.share * (1 - column.share))
    visit(row.second, column.second, row.share * column.share)
  }
}
