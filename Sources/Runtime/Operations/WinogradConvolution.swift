// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A convolution of 3×3 at stride 1 by Winograd's minimal filtering: less than half of the products.
///
/// Used in inference, where weights are transformed once (docs/decisions/0038).
struct WinogradConvolution: Sendable {
  let window: Window
  let filters: Int
  /// Rows of tiles of 2×2 outputs in a piece of work.
  private let rows: Int
  private let channelsPerBlock: Int

  /// Fewer channels than this leave the products too small beside the transformations.
  private static let leastChannels = 32
  /// Tiles of a piece of work: some register tiles, so that weights are read for many.
  private static let wantedTiles = 56
  /// Floats of transformed weights in a piece of work.
  private static let weightFloats = 512 << 10

  /// `nil` where the window or the sizes do not suit.
  init?(_ window: Window, filters: Int, panelWidth: Int) {
    guard window.kernelHeight == 3, window.kernelWidth == 3, window.stride == 1,
      window.channels >= Self.leastChannels, filters >= Self.leastChannels
    else { return nil }
    self.window = window
    self.filters = filters
    let down = Tiling.count(window.outputHeight, by: 2)
    let across = Tiling.count(window.outputWidth, by: 2)
    rows = Tiling.rows(ofImage: down, workPerRow: across, work: Self.wantedTiles)
    let wanted = Self.weightFloats / (16 * window.channels)
    channelsPerBlock = max(2, wanted / panelWidth) * panelWidth
  }

  private var blocks: Int { Tiling.count(filters, by: channelsPerBlock) }

  private func rowCount(batch: Int) -> Int { batch * Tiling.count(window.outputHeight, by: 2) }

  /// Adds the transformation of the weights to the prologue and the convolution to the steps.
  func emit(
    _ name: String, x: Buffer, weights: Graph.Value, folded: FoldedNormalization?, layout: String,
    bias: Buffer?, activation: mk_activation, tail: ResidualTail?, y: Buffer,
    into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let isa = program.instructionSet
    var shape = window.kernelWindow(images: program.maximumBatch, filters: filters)
    let packed = try program.packed(
      weights, layout: "winograd \(layout)",
      floats: isa.kernels.pointee.winograd_packed_size(&shape), from: folded?.weights
    ) { source, destination in
      Step(name: "pack", tiles: { _ in blocks }) { frame, tile, _ in
        var shape = window.kernelWindow(images: 1, filters: filters)
        let range = Tiling.range(tile, of: channelsPerBlock, total: filters)
        isa.kernels.pointee.winograd_pack(
          &shape, frame.floats(destination), frame.floats(source), range.lowerBound,
          range.upperBound)
      }
    }
    program.step(
      name, reads: [x, packed] + (bias.map { [$0] } ?? []) + (tail?.reads ?? []), writes: [y],
      scratchFloats: isa.kernels.pointee.winograd_scratch_size(&shape),
      tiles: { blocks * Tiling.count(rowCount(batch: $0), by: rows) }
    ) { frame, tile, worker in
      var shape = window.kernelWindow(images: frame.batch, filters: filters)
      let total = rowCount(batch: frame.batch)
      let down = Tiling.count(total, by: rows)
      let part = Tiling.range(tile % down, of: rows, total: total)
      let channels = Tiling.range(tile / down, of: channelsPerBlock, total: filters)
      isa.kernels.pointee.winograd(
        &shape, frame.floats(x), frame.floats(packed), frame.constants(bias), activation,
        frame.floats(y), part.lowerBound, part.upperBound, channels.lowerBound,
        channels.upperBound, frame.scratch(worker))
      guard let tail else { return }
      // A row of tiles is two rows of an image, the last one of an odd height is one.
      let (height, pixels) = (window.outputHeight, window.outputWidth)
      let rowsOfTiles = Tiling.count(height, by: 2)
      for row in part {
        let first = row / rowsOfTiles * height + 2 * (row % rowsOfTiles)
        let count = min(2, height - 2 * (row % rowsOfTiles))
        tail.apply(
          frame, to: y, rows: (first * pixels)..<((first + count) * pixels), columns: channels,
          stride: filters)
      }
    }
  }
}
