// SPDX-License-Identifier: Apache-2.0
internal import Runtime

/// Cuts a text into windows, each with the byte that follows it: what a language model of
/// characters learns from.
///
/// A byte is its own index, so nothing but the text is needed to read an answer. The end of the text
/// is what is held out; no window reaches over the cut.
struct TextWindows {
  let tensors: [ImportedTensor]

  /// - Parameters:
  ///   - context: bytes of a window.
  ///   - stride: from the beginning of a window to that of the next.
  /// - Throws: for a text that is too short for a window in training.
  static func read(
    _ path: String, context: Int, stride: Int, testFraction: Double
  ) throws(CommandError) -> TextWindows {
    let file = try SourceFile(path)
    var text: [UInt8] = []
    while case let piece = try file.read(upTo: 1 << 20), !piece.isEmpty { text += piece }
    let held = Int((Double(text.count) * testFraction).rounded())
    guard text.count - held > context else {
      throw CommandError(
        path, expected: "a text of more than \(context) bytes, as --context says, to learn from",
        came: "\(text.count - held)")
    }
    return TextWindows(text, held: held, context: context, stride: stride)
  }

  private init(_ text: [UInt8], held: Int, context: Int, stride: Int) {
    var tensors: [ImportedTensor] = []
    let cut = text.count - held
    for (split, part) in [("train", text[..<cut]), ("test", text[cut...])] {
      let starts = Swift.stride(
        from: part.startIndex, to: part.endIndex - context, by: stride)
      var windows: [UInt8] = []
      var labels: [UInt8] = []
      for start in starts {
        windows += part[start..<start + context]
        labels += [part[start + context], 0, 0, 0]
      }
      guard !windows.isEmpty else { continue }
      let count = windows.count / context
      tensors += [
        ImportedTensor(
          name: "\(split)/text", datatype: .uint8, shape: [count, context], bytes: windows),
        ImportedTensor(name: "\(split)/next", datatype: .int32, shape: [count], bytes: labels),
      ]
    }
    self.tensors = tensors
  }
}
