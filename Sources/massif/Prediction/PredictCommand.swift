// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif predict`.
struct PredictCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Send samples of a local file to a deployed model.",
    discussion: """
      Files are IDX (gzip or not), .npy, .json (nested arrays), or FILE.safetensors#TENSOR. With \
      --expect, the answers are compared with labels: it prints the accuracy and the requests per \
      second instead of every answer.

      A model over a table takes the rows of a CSV file, its inputs by the names of the columns; \
      --expect-column names the one to compare the answers with.

      A model of characters, that takes windows of text, continues --text by --length bytes, each \
      drawn from what the model says of the next.

      Examples:
        massif predict fashion --images t10k-images-idx3-ubyte.gz --limit 5
        massif predict fashion@2 --images t10k-images-idx3-ubyte.gz \\
          --expect t10k-labels-idx1-ubyte.gz
        massif predict fashion --batch 64 --output json \\
          --images fashion.safetensors#test/images
        massif predict diamond-price --csv new.csv --expect-column price
        massif predict character-lstm --text "ROMEO. " --length 400 --temperature 0.7
      """)

  @Argument(help: "[TEAM/]MODEL[@VERSION]")
  var model: ModelReference

  @Option(
    name: [.customLong("images"), .customLong("input")],
    help: ArgumentHelp("The samples.", valueName: "file"))
  var images: String?

  @Option(help: ArgumentHelp("The rows of a table with a header.", valueName: "file"))
  var csv: String?

  @Option(help: ArgumentHelp("The column to compare the answers with.", valueName: "column"))
  var expectColumn: String?

  @Option(help: ArgumentHelp("The labels to compare the answers with.", valueName: "file"))
  var expect: String?

  @Option(help: ArgumentHelp("The beginning of a text to write on.", valueName: "text"))
  var text: String?

  @Option(help: ArgumentHelp("Bytes to write after --text.", valueName: "count"))
  var length = 200

  @Option(
    help: ArgumentHelp(
      "How daring to write: 1 as the model says, 0 the likeliest only.", valueName: "number"))
  var temperature = 0.8

  @Option(help: ArgumentHelp("Decides what is drawn after --text.", valueName: "number"))
  var seed: UInt64 = 0

  @Option(help: ArgumentHelp("Only the first samples.", valueName: "count"))
  var limit: Int?

  @Option(help: ArgumentHelp("Samples in a request.", valueName: "count"))
  var batch = 1

  @Option(help: ArgumentHelp("Requests at a time.", valueName: "count"))
  var concurrency = 16

  @Option(help: ArgumentHelp("Classes to show for each sample.", valueName: "count"))
  var top = 3

  @OptionGroup var client: ClientOptions

  func validate() throws {
    guard [images, csv, text].count(where: { $0 != nil }) == 1 else {
      throw ValidationError("expected one of --images FILE, --csv FILE and --text TEXT")
    }
    guard (0...100).contains(temperature) else {
      throw ValidationError("--temperature: expected 0 to 100, came \(temperature)")
    }
    guard expectColumn == nil || csv != nil else {
      throw ValidationError("--expect-column is of use with --csv; with --images, use --expect")
    }
    for (flag, value) in [
      ("--limit", limit ?? 1), ("--batch", batch), ("--concurrency", concurrency), ("--top", top),
      ("--length", length),
    ] where value < 1 {
      throw ValidationError("\(flag): expected 1 or more, came \(value)")
    }
  }

  func run() async throws {
    if let csv {
      try await predictRows(of: try TextColumns.csv(csv))
    } else if let images {
      try await predictSamples(of: images)
    } else if let text {
      try await write(after: text)
    }
  }

  private func write(after prompt: String) async throws {
    try await client.withClient { client, output in
      let continuation = TextContinuation(
        client: client, model: model, temperature: temperature, seed: seed)
      let (bytes, version) = try await continuation.write(length, after: Array(prompt.utf8))
      let text = String(decoding: bytes, as: UTF8.self)
      output.show([
        "model": .string(model.name), "version": .string(version), "prompt": .string(prompt),
        "text": .string(text),
      ]) { [prompt + text] }
    }
  }

  private func predictRows(of table: TextColumns) async throws {
    let names = try NamedColumns.names(table)
    let expected = try expectColumn.map { name throws(CommandError) in
      guard
        let column = names.firstIndex(of: name)
          ?? table.columns.firstIndex(where: { $0.name == name })
      else {
        throw CommandError(
          table.path, field: "header", expected: "a column \"\(name)\"",
          came: table.columns.prefix(20).map(\.name).joined(separator: ", "))
      }
      return table.columns[column].texts.map(\.trimmingSpaces)
    }
    try await client.withClient { client, output in
      let metadata = try await client.modelMetadata(model.name, version: model.version)
      let requests = try TableRequests(
        table, for: metadata, expected: expectColumn, limit: limit)
      var answers = TableAnswers()
      for start in stride(from: 0, to: requests.count, by: batch) {
        let rows = start..<min(start + batch, requests.count)
        try answers.append(
          try await client.infer(
            model.name, version: model.version, inputs: try requests.tensors(rows)),
          rows: rows.count)
      }
      let score = try expected.map { expected throws(CommandError) in
        try TableScore(answers, expected: Array(expected.prefix(requests.count)))
      }
      show(answers, score, of: metadata.name, output)
    }
  }

  private func show(
    _ answers: TableAnswers, _ score: TableScore?, of model: String, _ output: OutputFormat
  ) {
    var document: [(key: String, value: JSONValue)] = [
      (key: "model", value: .string(model)), (key: "version", value: .string(answers.version)),
    ]
    document += answers.outputs.map { (key: $0.name, value: .array($0.values.map { .array($0) })) }
    document += score?.json ?? []
    output.show(.object(document)) {
      if let score { return ["model      \(model)@\(answers.version)"] + score.lines }
      return (answers.principal?.values ?? []).enumerated().map { row, values in
        "\(row): " + values.map(\.text).joined(separator: ", ")
      }
    }
  }

  private func predictSamples(of images: String) async throws {
    let tensor = try SampleFile.read(images, as: "images")
    let labels = try expect.map { try Labels(SampleFile.read($0, as: "labels"), path: $0) }
    try await client.withClient { client, output in
      let metadata = try await client.modelMetadata(model.name, version: model.version)
      guard metadata.inputs.count == 1, let input = metadata.inputs.first else {
        throw CommandError(
          metadata.name, field: "inputs", expected: "a model with one input",
          came: "\(metadata.inputs.count)")
      }
      guard input.shape.first.map({ $0 < 0 }) == true else {
        throw CommandError(
          metadata.name, field: "inputs.\(input.name)", expected: "a model that takes batches",
          came: "\(input.shape)")
      }
      let samples = try Samples(tensor, for: input, path: images, limit: limit)
      if let labels, labels.values.count < samples.count {
        throw CommandError(
          expect ?? "--expect", expected: "\(samples.count) labels", came: "\(labels.values.count)")
      }
      let outcome = try await PredictionRun(
        client: client, model: model, samples: samples, batch: batch, concurrency: concurrency
      ).run()
      let report = PredictionReport(
        model: metadata.name, outcome: outcome, labels: labels?.values, top: top, batch: batch,
        concurrency: concurrency)
      output.show(report.json) { report.lines }
    }
  }
}

/// Whole-number labels of a file.
struct Labels {
  let values: [Int]

  init(_ tensor: ImportedTensor, path: String) throws(CommandError) {
    var values: [Int] = []
    for index in 0..<tensor.count {
      guard tensor.shape.count == 1, let label = tensor.integer(at: index) else {
        throw CommandError(
          path, expected: "one whole number for each sample",
          came: "\(tensor.datatypeName) \(tensor.shape)")
      }
      values.append(label)
    }
    self.values = values
  }
}
