// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The features of a split as codes: what trees are grown on.
///
/// Codes lie in three orders, each made when a family asks for it: by column, for large nodes, whose
/// rows are many of a column; by row, for small ones, whose few rows then stay in the cache for all
/// of the subtree below; in words of eight columns, for gradient histograms.
///
/// `@unchecked Sendable`: written in `init` alone.
final class CodedTable: @unchecked Sendable {
  /// Which orders to make.
  struct Orders: OptionSet {
    let rawValue: Int
    static let columns = Orders(rawValue: 1)
    static let rows = Orders(rawValue: 2)
    static let groups = Orders(rawValue: 4)
  }

  let rowCount: Int
  let columnCount: Int
  /// The bins of each column.
  let bins: [ColumnBins]
  /// Codes (columns, rows).
  private let byColumn: TreeMemory<UInt8>?
  /// Codes (rows, columns).
  private let byRow: TreeMemory<UInt8>?
  /// Words of eight codes (groups, rows).
  private let byGroup: TreeMemory<UInt64>?
  /// Codes (rows) of columns of more values than a byte tells apart, for exact splits.
  private let wide: [TreeMemory<UInt32>?]

  /// Values that bins are made of; more say no more about a column's quantiles.
  private static let sampleCount = 200_000
  /// Columns that one tile codes: neighbours in a row-major tensor, a cache line of bytes.
  private static let tileWidth = 16

  /// Codes the columns of a schema.
  ///
  /// - Parameters:
  ///   - maxBins: bins of a column.
  ///   - isExact: whether columns of numbers get a code for each of their values.
  ///   - seed: of the sample that bins are made of, when there are more rows.
  /// - Throws: as `TableSource.all`, `.invalidArgument` for an infinite value or for more categories
  ///   than a byte tells apart, `.resourceExhausted` when memory is short.
  init(
    _ schema: TableSchema, split: String, in view: DataSetView, maxBins: Int, isExact: Bool,
    orders: Orders, seed: UInt64, workers: WorkerPool, kernels: TreeKernels
  ) throws(PluginError) {
    let sources = try TableSource.all(of: schema, split: split, in: view)
    let rowCount = sources[0].rows
    guard rowCount < 1 << 30 else {
      throw PluginError(
        field: "dataset", "expected fewer than 2^30 rows in \(split), came \(rowCount)")
    }
    var places: [(source: Int, index: Int)] = []
    for (index, source) in sources.enumerated() {
      if case .categorical(let names) = source.schema.kind, names.count > ColumnBins.maxBins {
        throw PluginError(
          field: "configuration.features",
          "trees take at most \(ColumnBins.maxBins) categories in a column, came \(names.count) in"
            + " \(source.schema.name); leave it out or group its categories")
      }
      places += (0..<source.width).map { (index, $0) }
    }
    let columnCount = places.count
    self.rowCount = rowCount
    self.columnCount = columnCount
    let (cells, overflow) = rowCount.multipliedReportingOverflow(by: columnCount + 8)
    guard !overflow else {
      throw PluginError(.resourceExhausted, "the table has more cells than memory")
    }
    _ = cells
    byColumn = orders.contains(.columns) ? try TreeMemory(count: rowCount * columnCount) : nil
    byRow = orders.contains(.rows) ? try TreeMemory(count: rowCount * columnCount) : nil
    let groups = (columnCount + TreeKernels.groupWidth - 1) / TreeKernels.groupWidth
    byGroup = orders.contains(.groups) ? try TreeMemory(count: rowCount * groups) : nil

    let tiles = (columnCount + Self.tileWidth - 1) / Self.tileWidth
    let results = TileResults(count: columnCount)
    let coding = Coding(
      sources: sources, places: places, rowCount: rowCount, maxBins: maxBins, isExact: isExact,
      seed: seed, kernels: kernels)
    let targets = (column: byColumn, row: byRow, group: byGroup)
    workers.parallelFor(tiles) { tile in
      let columns =
        (tile * Self.tileWidth)..<min((tile + 1) * Self.tileWidth, columnCount)
      results.set(columns, coding.code(columns, of: columnCount, into: targets))
    }
    var bins: [ColumnBins] = []
    var wide: [TreeMemory<UInt32>?] = []
    for column in 0..<columnCount {
      let result = try results[column].get()
      bins.append(result.bins)
      wide.append(result.wide)
    }
    self.bins = bins
    self.wide = wide
  }

  /// The codes of a column, in the order that is best for nodes of so many samples.
  func column(_ index: Int, samples: Int) -> TreeColumn {
    if let wide = wide[index] { return TreeColumn(wideCodes: wide.base) }
    let isCategorical = bins[index].isCategorical
    if let byRow, samples < Self.rowOrderSamples || byColumn == nil {
      return TreeColumn(
        codes: byRow.base + index, stride: columnCount, isCategorical: isCategorical)
    }
    guard let byColumn else { preconditionFailure("a table that trees grow on is coded for it") }
    return TreeColumn(
      codes: byColumn.base + index * rowCount, stride: 1, isCategorical: isCategorical)
  }

  /// The words of a group of columns, one a row.
  func words(ofGroup group: Int) -> UnsafePointer<UInt64> {
    guard let byGroup else { preconditionFailure("a table that is boosted on is coded for it") }
    return UnsafePointer(byGroup.base + group * rowCount)
  }

  /// How many groups of columns there are.
  var groupCount: Int { (columnCount + TreeKernels.groupWidth - 1) / TreeKernels.groupWidth }

  /// The columns of a group.
  func columns(ofGroup group: Int) -> Range<Int> {
    let first = group * TreeKernels.groupWidth
    return first..<min(first + TreeKernels.groupWidth, columnCount)
  }

  /// Rows of this many stay in a second-level cache.
  private static let rowOrderSamples = 1024
}

extension CodedTable {
  /// What coding a column gave.
  struct CodedColumn {
    var bins: ColumnBins
    var wide: TreeMemory<UInt32>?
  }

  /// One result for each column, each written by one tile.
  private final class TileResults: @unchecked Sendable {
    private let results: UnsafeMutablePointer<Result<CodedColumn, PluginError>>
    private let count: Int

    init(count: Int) {
      self.count = count
      results = .allocate(capacity: max(count, 1))
      let none = PluginError(.internal, "a column was not coded")
      results.initialize(repeating: .failure(none), count: count)
    }

    deinit {
      results.deinitialize(count: count)
      results.deallocate()
    }

    func set(_ columns: Range<Int>, _ values: [Result<CodedColumn, PluginError>]) {
      for (column, value) in zip(columns, values) { results[column] = value }
    }

    subscript(column: Int) -> Result<CodedColumn, PluginError> { results[column] }
  }

  /// What coding a tile of columns needs to know.
  private struct Coding: @unchecked Sendable {
    // SAFETY: the sources borrow from the data set, which outlives the coding.
    let sources: [TableSource]
    let places: [(source: Int, index: Int)]
    let rowCount: Int
    let maxBins: Int
    let isExact: Bool
    let seed: UInt64
    let kernels: TreeKernels

    func code(
      _ columns: Range<Int>, of columnCount: Int,
      into targets: (
        column: TreeMemory<UInt8>?, row: TreeMemory<UInt8>?, group: TreeMemory<UInt64>?
      )
    ) -> [Result<CodedColumn, PluginError>] {
      let values = UnsafeMutablePointer<Float>.allocate(capacity: rowCount)
      let sorted = UnsafeMutablePointer<Float>.allocate(capacity: rowCount)
      let scratch = UnsafeMutablePointer<UInt32>.allocate(capacity: 2 * rowCount)
      let codes = UnsafeMutablePointer<UInt8>.allocate(capacity: rowCount)
      defer {
        values.deallocate()
        sorted.deallocate()
        scratch.deallocate()
        codes.deallocate()
      }
      return columns.map { column in
        let place = places[column]
        sources[place.source].readColumn(place.index, into: values)
        do throws(PluginError) {
          let bins = try self.bins(of: column, values, sorted, scratch)
          if isExact, bins.count > ColumnBins.maxBins {
            let wide = try TreeMemory<UInt32>(count: rowCount)
            kernels.wideCodes(of: values, count: rowCount, upper: bins.upper, into: wide.base)
            return .success(CodedColumn(bins: bins, wide: wide))
          }
          write(values, bins, to: codes)
          if let byColumn = targets.column {
            (byColumn.base + column * rowCount).update(from: codes, count: rowCount)
          }
          if let byRow = targets.row { spread(codes, to: byRow.base + column, stride: columnCount) }
          if let byGroup = targets.group {
            let width = TreeKernels.groupWidth
            let group = byGroup.base + column / width * rowCount
            let bytes = UnsafeMutableRawPointer(group).assumingMemoryBound(to: UInt8.self)
            spread(codes, to: bytes + column % width, stride: width)
          }
          return .success(CodedColumn(bins: bins, wide: nil))
        } catch {
          return .failure(error)
        }
      }
    }

    private func spread(
      _ codes: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, stride: Int
    ) {
      for row in 0..<rowCount { target[row &* stride] = codes[row] }
    }

    private func write(
      _ values: UnsafePointer<Float>, _ bins: ColumnBins, to codes: UnsafeMutablePointer<UInt8>
    ) {
      if bins.isCategorical {
        for row in 0..<rowCount {
          let value = values[row]
          codes[row] = value.isNaN ? TreeKernels.missingCode : UInt8(value)
        }
      } else {
        kernels.codes(of: values, count: rowCount, upper: bins.upper, into: codes, codeStride: 1)
      }
    }

    private func bins(
      of column: Int, _ values: UnsafePointer<Float>, _ sorted: UnsafeMutablePointer<Float>,
      _ scratch: UnsafeMutablePointer<UInt32>
    ) throws(PluginError) -> ColumnBins {
      let schema = sources[places[column].source].schema
      if case .categorical(let names) = schema.kind { return ColumnBins(categories: names.count) }
      var count = 0
      if rowCount <= CodedTable.sampleCount || isExact {
        sorted.update(from: values, count: rowCount)
        count = rowCount
      } else {
        // One row at random out of each of as many runs of rows: the sample of every column has
        // the same rows.
        let stream = Philox(key: seed, stream: .max)
        count = CodedTable.sampleCount
        for run in 0..<count {
          let start = run * rowCount / count
          let width = (run + 1) * rowCount / count - start
          sorted[run] = values[start + stream.integer(at: UInt64(run), below: width)]
        }
      }
      kernels.sort(UnsafeMutableBufferPointer(start: sorted, count: count), scratch: scratch)
      while count > 0, sorted[count - 1].isNaN { count -= 1 }
      for row in 0..<rowCount where values[row].isInfinite {
        let index = schema.shape.isEmpty ? "" : "[\(places[column].index)]"
        throw PluginError(
          field: "dataset[\"\(schema.name)\"]",
          "expected finite numbers, NaN for missing ones, in column \(schema.name)\(index),"
            + " came \(values[row]) in row \(row)")
      }
      return ColumnBins(
        sorted: UnsafeBufferPointer(start: sorted, count: count),
        maxBins: isExact ? nil : maxBins)
    }
  }
}
