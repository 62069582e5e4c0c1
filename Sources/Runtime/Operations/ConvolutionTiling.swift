// SPDX-License-Identifier: Apache-2.0

import CKernels

/// How a convolution's output, batch × height × width × channels, is cut: by rows, and by blocks of
/// channels where the weights of all are more than a core's second-level cache keeps.
struct ConvolutionTiling: Sendable {
  let height: Int
  let channels: Int
  let rows: Int
  let channelsPerBlock: Int

  /// Floats of packed weights that stay in the second-level cache beside the images.
  private static let weightFloats = 96 << 10

  /// - Parameters:
  ///   - height: rows of an output image, as `width` and `channels`.
  ///   - depth: products that make up one output.
  init(height: Int, width: Int, channels: Int, depth: Int, panelWidth: Int) {
    self.height = height
    self.channels = channels
    let panels = max(1, Self.weightFloats / max(1, depth * panelWidth))
    channelsPerBlock = max(1, min(Tiling.count(channels, by: panelWidth), panels)) * panelWidth
    rows = Tiling.rows(
      ofImage: height, workPerRow: 2 * width * depth * min(channels, channelsPerBlock),
      work: Tiling.operations)
  }

  var blocks: Int { Tiling.count(channels, by: channelsPerBlock) }

  func count(batch: Int) -> Int { blocks * Tiling.count(batch * height, by: rows) }

  func channels(block: Int) -> Range<Int> {
    Tiling.range(block, of: channelsPerBlock, total: channels)
  }

  /// Tiles of one block follow each other, so that its weights stay in cache.
  func ranges(_ tile: Int, batch: Int) -> (rows: Range<Int>, channels: Range<Int>) {
    let down = Tiling.count(batch * height, by: rows)
    return (
      Tiling.range(tile % down, of: rows, total: batch * height), channels(block: tile / down)
    )
  }
}

extension Window {
  /// The window as kernels take it.
  func kernelWindow(images: Int, filters: Int) -> mk_window {
    mk_window(
      n: images, h: height, w: width, c: channels, oh: outputHeight, ow: outputWidth, o: filters,
      kernel_h: kernelHeight, kernel_w: kernelWidth, stride_h: stride, stride_w: stride,
      pad_top: top, pad_left: left)
  }
}
