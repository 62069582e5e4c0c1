// SPDX-License-Identifier: Apache-2.0
import Runtime

/// How a table's columns become the numbers of a row.
///
/// Numbers and integers are taken as they are, times `scale` plus `offset`; a categorical column
/// becomes one indicator for each category but the first (treatment coding).
struct FeatureEncoding: Sendable, Hashable {
  let schema: TableSchema
  var scale: Float = 1
  var offset: Float = 0

  /// What each number of a row is called: `carat`, `cut=Ideal`, `images[3]`.
  var names: [String] {
    var names: [String] = []
    for source in schema.sources {
      switch source.kind {
      case .categorical(let categories):
        names += categories.dropFirst().map { "\(source.name)=\($0)" }
      case .number, .integer:
        names +=
          source.shape.isEmpty
          ? [source.name] : (0..<source.width).map { "\(source.name)[\($0)]" }
      }
    }
    return names
  }

  /// How many numbers a row has.
  var width: Int {
    schema.sources.reduce(0) { sum, source in
      if case .categorical(let categories) = source.kind {
        sum + max(0, categories.count - 1)
      } else {
        sum + source.width
      }
    }
  }

  /// Whether a row of the table is a row of the matrix.
  var isIdentity: Bool {
    guard scale == 1, offset == 0 else { return false }
    return schema.sources.allSatisfy { if case .categorical = $0.kind { false } else { true } }
  }

  /// Writes one row of numbers.
  ///
  /// A missing category, and one that training did not have, has no indicator: it counts as the
  /// first.
  func encode(_ raw: UnsafePointer<Float>, into row: UnsafeMutablePointer<Float>) {
    var (position, column) = (0, 0)
    for source in schema.sources {
      if case .categorical(let categories) = source.kind {
        let code = raw[column]
        for index in 1..<max(1, categories.count) {
          row[position] = code == Float(index) ? 1 : 0
          position += 1
        }
        column += 1
      } else {
        for _ in 0..<source.width {
          row[position] = raw[column] * scale + offset
          position += 1
          column += 1
        }
      }
    }
  }

  /// Lends the encoded rows of a call, (rows, width) row-major.
  func withRows<Result>(
    of execution: PluginExecution, _ interface: TableInterface,
    _ body: (UnsafePointer<Float>) throws(PluginError) -> Result
  ) throws(PluginError) -> Result {
    let rows = max(execution.batchSize, 1)
    return try interface.withRows(of: execution) { raw throws(PluginError) in
      if isIdentity { return try body(raw) }
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(1, rows * width))
      defer { memory.deallocate() }
      for row in 0..<rows {
        encode(raw + row * schema.columnCount, into: memory + row * width)
      }
      return try body(memory)
    }
  }

  /// The encoding as `model.json` keeps it.
  var json: JSONValue {
    [
      "features": schema.json, "scale": .number(Double(scale)), "offset": .number(Double(offset)),
    ]
  }

  init(schema: TableSchema, scale: Float = 1, offset: Float = 0) {
    self.schema = schema
    self.scale = scale
    self.offset = offset
  }

  /// Reads what `json` wrote.
  init(_ json: JSONValue?, path: String) throws(PluginError) {
    schema = try TableSchema(json?["features"], path: "\(path).features")
    let list = ViolationList()
    let fields = FieldReader(json, path: path, keys: ["features", "scale", "offset"], list: list)
    scale = Float(fields.number("scale", "a number", default: 1) { _ in true })
    offset = Float(fields.number("offset", "a number", default: 0) { _ in true })
    try list.check()
  }
}

/// A split's features as one matrix, (rows, columns) row-major, every element finite.
final class FeatureMatrix: @unchecked Sendable {
  // SAFETY: written in `init` alone.
  let values: UnsafePointer<Float>
  let rows: Int
  let columns: Int
  private let memory: UnsafeMutablePointer<Float>?
  private let owner: any AnyObject & Sendable

  /// Reads and encodes the features of a split.
  ///
  /// - Throws: as `Table.init`, and `.invalidArgument` about a column that holds NaN, infinity or a
  ///   missing category; `.resourceExhausted` for a matrix that memory cannot hold.
  init(_ encoding: FeatureEncoding, split: String, in view: DataSetView) throws(PluginError) {
    let sources = try TableSource.all(of: encoding.schema, split: split, in: view)
    let rows = sources[0].rows
    let columns = encoding.width
    guard columns > 0 else {
      throw PluginError(
        field: "configuration.features", "expected a column with more than one value, came none")
    }
    guard Extents.byteCount([rows, columns], of: .fp32) != nil else {
      throw PluginError(.resourceExhausted, "\(rows) × \(columns) numbers are too many")
    }
    self.rows = rows
    self.columns = columns
    owner = view.owner
    if sources.count == 1, encoding.isIdentity, sources[0].datatype == .fp32,
      let base = sources[0].bytes.baseAddress, UInt(bitPattern: base) % 4 == 0
    {
      memory = nil
      values = UnsafePointer(base.assumingMemoryBound(to: Float.self))
    } else {
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: rows * columns)
      self.memory = memory
      values = UnsafePointer(memory)
      Self.fill(memory, sources, encoding, rows: rows, columns: columns)
    }
    try checkFinite(encoding, sources, split)
  }

  deinit { memory?.deallocate() }

  private static func fill(
    _ memory: UnsafeMutablePointer<Float>, _ sources: [TableSource], _ encoding: FeatureEncoding,
    rows: Int, columns: Int
  ) {
    var position = 0
    for source in sources {
      if case .categorical(let categories) = source.schema.kind {
        var codes = [Float](repeating: 0, count: rows)
        codes.withUnsafeMutableBufferPointer { buffer in
          if let base = buffer.baseAddress { source.readColumn(0, into: base) }
        }
        for index in 1..<max(1, categories.count) {
          for row in 0..<rows {
            // A missing category stays NaN until the check.
            memory[row * columns + position] =
              codes[row].isNaN ? .nan : codes[row] == Float(index) ? 1 : 0
          }
          position += 1
        }
        continue
      }
      if source.width == columns {
        TableElements.read(source.bytes, source.datatype, count: rows * columns, into: memory)
      } else {
        for index in 0..<source.width {
          source.readColumn(index, into: memory + position + index, stride: columns)
        }
      }
      if encoding.scale != 1 || encoding.offset != 0 {
        for row in 0..<rows {
          for index in 0..<source.width {
            let at = row &* columns &+ position &+ index
            memory[at] = memory[at] * encoding.scale + encoding.offset
          }
        }
      }
      position += source.width
    }
  }

  private func checkFinite(
    _ encoding: FeatureEncoding, _ sources: [TableSource], _ split: String
  ) throws(PluginError) {
    // Integers are finite; a pass over them would find nothing.
    let mayFail = sources.contains {
      if case .categorical = $0.schema.kind { return true }
      return !TableElements.isInteger($0.datatype) && $0.datatype != .bool
    }
    guard mayFail, !isFinite else { return }
    for index in 0..<(rows * columns) where !values[index].isFinite {
      let (row, column) = (index / columns, index % columns)
      let name = encoding.names[column]
      throw PluginError(
        field: "dataset[\"\(split)/\(name.prefix { $0 != "[" && $0 != "=" })\"]",
        "expected finite numbers in column \(name), came"
          + " \(values[index].isNaN ? "a missing value" : "\(values[index])") in row \(row)")
    }
  }
}

extension FeatureMatrix {
  /// Whether every element is: times 0 they are all 0 then, and a NaN among the sums otherwise.
  private var isFinite: Bool {
    let count = rows * columns
    var sums = SIMD16<Float>.zero
    var index = 0
    while index &+ 16 <= count {
      sums += UnsafeRawPointer(values + index).loadUnaligned(as: SIMD16<Float>.self) * 0
      index &+= 16
    }
    var sum = sums.sum()
    while index < count {
      sum += values[index] * 0
      index &+= 1
    }
    return sum == 0
  }
}

/// What families over numbers share of a configuration beside `TableConfiguration`.
struct InputScaling: Sendable, Hashable {
  var scale: Float = 1
  var offset: Float = 0

  static let key = "input"
  static let schemaProperty = #"""
    "input": {
      "type": "object", "additionalProperties": false, "default": {},
      "description": "Applied to every number first: x * scale + offset.",
      "properties": {
        "scale": {"type": "number", "not": {"const": 0}, "default": 1},
        "offset": {"type": "number", "default": 0}
      }
    }
    """#

  init(_ fields: FieldReader, list: ViolationList) {
    let input = FieldReader(
      fields["input"], path: fields.field("input"), keys: ["scale", "offset"], list: list)
    scale = Float(
      input.number("scale", "a number other than 0", default: 1) { Float($0) != 0 })
    offset = Float(input.number("offset", "a number", default: 0) { _ in true })
  }
}
