// SPDX-License-Identifier: Apache-2.0

/// Zeros around an image.
public enum Padding: Sendable, Hashable {
  /// None: the window stays inside.
  case valid
  /// As many as make the output ⌈input / stride⌉; an odd one goes to the bottom and right.
  case same
  /// The same number on every side.
  case symmetric(Int)
}

/// A window sliding over images of H×W×C; what convolutions and poolings share.
struct Window: Sendable, Hashable {
  let kernelHeight: Int
  let kernelWidth: Int
  let stride: Int
  let top: Int
  let left: Int
  /// Input height, width and channels.
  let height: Int
  let width: Int
  let channels: Int
  let outputHeight: Int
  let outputWidth: Int

  /// Checks a window against the images that it slides over.
  ///
  /// - Parameter image: a batched FP32 [H, W, C].
  /// - Throws: `.shapeMismatch` for other inputs, `.invalidArgument` for a kernel, stride or padding
  ///   that is out of range or larger than the image.
  init(
    over image: TensorType, kernel: (height: Int, width: Int), stride: Int, padding: Padding
  ) throws(RuntimeError) {
    guard image.isBatched, image.shape.rank == 3, image.datatype == .fp32 else {
      throw RuntimeError(
        .shapeMismatch, "expected images, FP32 [batch, height, width, channels]; came \(image)",
        field: "input")
    }
    guard kernel.height > 0, kernel.width > 0 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(kernel.height)×\(kernel.width)",
        field: "kernel")
    }
    guard stride > 0 else {
      throw RuntimeError(.invalidArgument, "expected 1 or more; came \(stride)", field: "stride")
    }
    let height = Self.span(image.shape[0], kernel.height, stride, padding)
    let width = Self.span(image.shape[1], kernel.width, stride, padding)
    guard height.before >= 0, height.before < kernel.height, width.before < kernel.width else {
      throw RuntimeError(
        .invalidArgument,
        "expected 0 or more and less than the kernel; came \(height.before)", field: "padding")
    }
    guard height.output > 0, width.output > 0 else {
      throw RuntimeError(
        .invalidArgument,
        "a \(kernel.height)×\(kernel.width) window does not fit in "
          + "\(image.shape[0])×\(image.shape[1]) pixels",
        field: "kernel")
    }
    kernelHeight = kernel.height
    kernelWidth = kernel.width
    self.stride = stride
    top = height.before
    left = width.before
    self.height = image.shape[0]
    self.width = image.shape[1]
    channels = image.shape[2]
    outputHeight = height.output
    outputWidth = width.output
  }

  private static func span(
    _ input: Int, _ kernel: Int, _ stride: Int, _ padding: Padding
  ) -> (before: Int, output: Int) {
    switch padding {
    case .valid:
      return (0, input < kernel ? 0 : (input - kernel) / stride + 1)
    case .symmetric(let count):
      // A padding that the kernel does not reach is refused by the caller; here it must not overflow.
      guard count >= 0, count < kernel, input <= Int.max - 2 * count else { return (count, 0) }
      let padded = input + 2 * count
      return (count, padded < kernel ? 0 : (padded - kernel) / stride + 1)
    case .same:
      guard input > 0 else { return (0, 0) }
      let output = (input - 1) / stride + 1
      let covered = (output - 1) * stride
      let total = max(0, covered + min(kernel, Int.max - covered) - input)
      return (total / 2, output)
    }
  }
}
