// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import Glibc
internal import MassifClient
internal import Synchronization

/// The command `massif data import`.
struct DataImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Read files, check them, and upload them as one data set.",
    discussion: """
      A data set's tensors are named SPLIT/ROLE. Images are kept as N x H x W x C, labels as \
      whole numbers. Files may be compressed with gzip. A data set never changes: importing the \
      same bytes again does nothing, other bytes need another name.

      A table's columns become tensors by their names: integers, numbers (a missing value is NaN) \
      or categories with their dictionary, as their values tell or --column says. With --label, \
      they become one matrix `features` and one tensor `labels` instead, as a network takes them.

      A text becomes windows of --context bytes, `text`, and the byte after each, `next`; its end \
      is what is held out.

      Examples:
        massif data import fashion-mnist \\
          --idx train/images=train-images-idx3-ubyte.gz \\
          --idx train/labels=train-labels-idx1-ubyte.gz \\
          --idx test/images=t10k-images-idx3-ubyte.gz \\
          --idx test/labels=t10k-labels-idx1-ubyte.gz
        massif data import diamonds --csv diamonds.csv
        massif data import adult --csv train.csv --test-csv test.csv \\
          --column education-num=number --column id=skip
        massif data import baskets --arff supermarket.arff --test-fraction 0
        massif data import iris --csv iris.csv --label species
        massif data import digits --npy train/images=x.npy \\
          --npy train/labels=y.npy
        massif data import shakespeare --text shakespeare.txt --context 64
      """)

  @Argument(help: "The data set's name, NAME or TEAM/NAME.")
  var name: String

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("An IDX file, as MNIST's.", valueName: "split/role=file"))
  var idx: [NamedFile] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("A NumPy array file.", valueName: "split/role=file"))
  var npy: [NamedFile] = []

  @Option(help: ArgumentHelp("A table with a header.", valueName: "file"))
  var csv: String?

  @Option(help: ArgumentHelp("The rows to hold out, in a table of their own.", valueName: "file"))
  var testCsv: String?

  @Option(help: ArgumentHelp("A table in Weka's format.", valueName: "file"))
  var arff: String?

  @Option(help: ArgumentHelp("A text, to learn to continue it.", valueName: "file"))
  var text: String?

  @Option(help: ArgumentHelp("Bytes of text before the one to predict.", valueName: "count"))
  var context = 64

  @Option(help: ArgumentHelp("Bytes from one window of text to the next.", valueName: "count"))
  var stride = 16

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "What a column is: number, integer, categorical or skip.", valueName: "name=type"))
  var column: [ColumnOverride] = []

  @Option(
    help: ArgumentHelp(
      "The column to predict; makes one matrix of all others.", valueName: "column"))
  var label: String?

  @Option(
    help: ArgumentHelp(
      "The part of the table's rows, or of the text, to hold out.", valueName: "fraction"))
  var testFraction = 0.2

  @Option(help: ArgumentHelp("Decides which rows are held out.", valueName: "number"))
  var seed: UInt64 = 0

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Text to keep with the data set.", valueName: "key=text"))
  var metadata: [KeyText] = []

  @OptionGroup var client: ClientOptions

  func validate() throws {
    guard csv == nil || arff == nil else {
      throw ValidationError("expected one table, --csv or --arff, came both")
    }
    guard testCsv == nil || (csv != nil && label == nil) else {
      throw ValidationError("--test-csv is of use beside --csv, and without --label")
    }
    guard column.isEmpty || ((csv != nil || arff != nil) && label == nil) else {
      throw ValidationError("--column is of use with --csv or --arff, and without --label")
    }
    guard csv != nil || label == nil else {
      throw ValidationError("--label is of use with --csv only")
    }
    for (flag, value) in [("--context", context), ("--stride", stride)]
    where !(1...4096).contains(value) {
      throw ValidationError("\(flag): expected 1 to 4096, came \(value)")
    }
    guard (0..<1).contains(testFraction) else {
      throw ValidationError("--test-fraction: expected a number from 0 to below 1")
    }
  }

  func run() async throws {
    // The connection's settings are checked before minutes are spent on reading.
    _ = try client.connection()
    var metadata = Dictionary(
      self.metadata.map { ($0.key, $0.text) }, uniquingKeysWith: { _, last in last })
    let tensors = try readTensors(&metadata)
    try DataSetFile.check(tensors)
    let path = FileManager.default.temporaryDirectory
      .appending(path: "massif-import-\(UUID().uuidString).safetensors").path
    defer { unlink(path) }
    try DataSetFile.write(tensors, metadata: metadata, to: path)
    try await client.withClient { client, output in
      let dataSet = try await upload(path, client)
      output.show(dataSet.json) { ["imported \(dataSet.name)"] + dataSet.lines.dropFirst() }
    }
  }

  private func readTensors(
    _ metadata: inout [String: String]
  ) throws(CommandError) -> [ImportedTensor] {
    var tensors: [ImportedTensor] = []
    for file in idx { tensors.append(try IDXFile.read(file.path, as: file.name).normalized()) }
    for file in npy { tensors.append(try NPYFile.read(file.path, as: file.name).normalized()) }
    if let text {
      tensors += try TextWindows.read(
        text, context: context, stride: stride, testFraction: testFraction
      ).tensors
    }
    if let csv, let label {
      let table = try CSVTable.read(csv, label: label, testFraction: testFraction, seed: seed)
      tensors += table.tensors
      metadata.merge(table.metadata) { given, _ in given }
    } else if let text = try readTable() {
      var test: TextColumns?
      if let testCsv { test = try TextColumns.csv(testCsv) }
      let table = try NamedColumns(
        text, test: test, overrides: column, testFraction: testFraction, seed: seed)
      tensors += table.tensors
      metadata.merge(table.metadata) { given, _ in given }
    }
    return tensors
  }

  private func readTable() throws(CommandError) -> TextColumns? {
    if let csv { return try TextColumns.csv(csv) }
    if let arff { return try TextColumns.arff(arff) }
    return nil
  }

  private func upload(_ path: String, _ client: MassifClient) async throws -> DataSet {
    let line = StatusLine(STDERR_FILENO)
    defer { line.clear() }
    return try await client.dataSets.upload(name, file: path) { progress in
      line.show { width in
        let percent = progress.total == 0 ? 100 : progress.sent * 100 / progress.total
        return String("uploading \(Quantity.bytes(progress.total))  \(percent) %".prefix(width))
      }
    }
  }
}

/// As `train/images=path`.
struct NamedFile: ExpressibleByArgument, Equatable {
  let name: String
  let path: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "=") else { return nil }
    let name = argument[..<equals]
    let path = argument[argument.index(after: equals)...]
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), !path.isEmpty else { return nil }
    self.name = String(name)
    self.path = String(path)
  }
}

extension ColumnOverride: ExpressibleByArgument {
  init?(argument: String) {
    guard let equals = argument.lastIndex(of: "="), equals > argument.startIndex,
      let type = ColumnType(rawValue: String(argument[argument.index(after: equals)...]))
    else { return nil }
    name = String(argument[..<equals])
    self.type = type
  }
}

/// As `key=text`.
struct KeyText: ExpressibleByArgument, Equatable {
  let key: String
  let text: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else {
      return nil
    }
    key = String(argument[..<equals])
    text = String(argument[argument.index(after: equals)...])
  }
}
