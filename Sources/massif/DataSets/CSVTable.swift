// SPDX-License-Identifier: Apache-2.0
internal import Runtime

/// Reads a table with a header into features and labels, and parts it into train and test.
///
/// Features are FP32 `(N, columns)`. Labels that are whole numbers become INT32 as they are; words
/// become their index in the sorted list of words, which goes into the metadata as `classes`; other
/// numbers become FP32, for regression.
struct CSVTable {
  let tensors: [ImportedTensor]
  let metadata: [String: String]

  /// - Parameters:
  ///   - label: the column to predict.
  ///   - testFraction: how much is held out; which rows is decided by `seed` alone.
  static func read(
    _ path: String, label: String, testFraction: Double, seed: UInt64
  ) throws(CommandError) -> CSVTable {
    var reader = CSVReader(try SourceFile(path))
    guard let header = try reader.next() else {
      throw CommandError(path, expected: "a header and rows", came: "an empty file")
    }
    guard let labelColumn = header.firstIndex(of: label) else {
      throw CommandError(
        path, field: "line 1", expected: "a column \"\(label)\"",
        came: header.prefix(20).joined(separator: ", "))
    }
    guard Set(header).count == header.count else {
      throw CommandError(path, field: "line 1", expected: "different column names")
    }
    var features: [Float] = []
    var labels: [String] = []
    while let record = try reader.next() {
      guard record.count == header.count else {
        throw CommandError(
          path, field: "line \(reader.line)", expected: "\(header.count) fields",
          came: "\(record.count)")
      }
      for (column, text) in record.enumerated() where column != labelColumn {
        guard let value = Float(text.trimmingSpaces) else {
          throw CommandError(
            path, field: "line \(reader.line), column \(header[column])", expected: "a number",
            came: "\"\(text.prefix(40))\"")
        }
        features.append(value)
      }
      labels.append(record[labelColumn].trimmingSpaces)
    }
    guard !labels.isEmpty else {
      throw CommandError(path, expected: "rows after the header", came: "none")
    }
    let columns = header.enumerated().filter { $0.offset != labelColumn }.map(\.element)
    guard !columns.isEmpty else {
      throw CommandError(
        path, field: "line 1", expected: "columns beside \"\(label)\"", came: "none")
    }
    return CSVTable(
      features: features, columns: columns, labels: Labels(labels), testFraction: testFraction,
      seed: seed, label: label)
  }

  private init(
    features: [Float], columns: [String], labels: Labels, testFraction: Double, seed: UInt64,
    label: String
  ) {
    let order = Self.shuffled(labels.count, seed: seed)
    let testCount = Int((Double(order.count) * testFraction).rounded())
    var tensors: [ImportedTensor] = []
    // Rows stay in the file's order inside of a split.
    for (split, part) in [("train", order[testCount...]), ("test", order[..<testCount])]
    where !part.isEmpty {
      let rows = part.sorted()
      let width = columns.count
      tensors.append(
        ImportedTensor(
          name: "\(split)/features", datatype: .fp32, shape: [rows.count, width],
          bytes: Self.bytes(rows.flatMap { features[$0 * width..<($0 + 1) * width] })))
      tensors.append(labels.tensor("\(split)/labels", rows))
    }
    self.tensors = tensors
    var metadata = [
      "columns": JSONValue.array(columns.map(JSONValue.string)).text, "label": label,
    ]
    if case .classes(let names, _) = labels {
      metadata["classes"] = JSONValue.array(names.map(JSONValue.string)).text
    }
    self.metadata = metadata
  }

  private enum Labels {
    case integers([Int32])
    case numbers([Float])
    case classes([String], [Int32])

    init(_ texts: [String]) {
      let integers = texts.compactMap { Int32($0) }
      if integers.count == texts.count {
        self = .integers(integers)
        return
      }
      let numbers = texts.compactMap { Float($0) }
      if numbers.count == texts.count {
        self = .numbers(numbers)
        return
      }
      let names = Set(texts).sorted()
      let indices = Dictionary(uniqueKeysWithValues: zip(names, Int32(0)...))
      self = .classes(names, texts.map { indices[$0] ?? 0 })
    }

    var count: Int {
      switch self {
      case .integers(let values), .classes(_, let values): values.count
      case .numbers(let values): values.count
      }
    }

    func tensor(_ name: String, _ rows: [Int]) -> ImportedTensor {
      switch self {
      case .integers(let values), .classes(_, let values):
        ImportedTensor(
          name: name, datatype: .int32, shape: [rows.count], bytes: bytes(rows.map { values[$0] }))
      case .numbers(let values):
        ImportedTensor(
          name: name, datatype: .fp32, shape: [rows.count], bytes: bytes(rows.map { values[$0] }))
      }
    }
  }

  private static func bytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
  }

  /// 0..<count in an order that only `seed` decides (Fisher-Yates over SplitMix64).
  private static func shuffled(_ count: Int, seed: UInt64) -> [Int] {
    var generator = SplitMix64(state: seed)
    return Array(0..<count).shuffled(using: &generator)
  }
}

/// A small generator with the same sequence everywhere: https://prng.di.unimi.it/splitmix64.c.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
