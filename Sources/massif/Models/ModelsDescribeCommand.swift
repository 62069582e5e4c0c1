// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import MassifClient

/// The command `massif models describe`.
struct ModelsDescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "Show a model's versions, or one of them with what it learned.",
    discussion: """
      Of a version, it prints the report that the plugin wrote beside the weights: coefficients, \
      trees, clusters, rules, as the family has them.

      Examples:
        massif models describe fashion
        massif models describe vision/fashion@2 --output json
        massif models describe letters@1 --drawing tree.svg
      """)

  @Argument(help: "[TEAM/]MODEL[@VERSION]")
  var model: ModelReference

  @Option(
    help: ArgumentHelp("Write the version's drawing to a file, as SVG.", valueName: "file"))
  var drawing: String?

  @OptionGroup var client: ClientOptions

  func validate() throws {
    guard drawing == nil || model.version != nil else {
      throw ValidationError("--drawing is of a version: give MODEL@VERSION")
    }
  }

  func run() async throws {
    try await client.withClient { client, output in
      let found = try await client.models.get(model.name)
      guard let number = model.version else {
        output.show(found.json) {
          ["model      \(found.name)"]
            + found.aliases.sorted { $0.key < $1.key }
            .map { "alias      \($0.key) → \($0.value)" }
            + found.versions.flatMap { [""] + $0.lines }
        }
        return
      }
      guard let version = found.versions.first(where: { $0.version == number }) else {
        throw CommandError(
          found.name, field: "version",
          expected: "one of \(found.versions.map { String($0.version) }.joined(separator: ", "))",
          came: "\(number)")
      }
      if let drawing { try await draw(version, to: drawing, client) }
      let names = Set(version.artifacts.map(\.name))
      switch output {
      case .json:
        var report: JSONValue = .null
        if names.contains("report.json") {
          let answer = try await client.models.report(
            of: version.model, version: number, artifact: "report.json")
          report = try JSONValue(parsing: answer.content)
        }
        output.show(version.json.adding("report", report)) { [] }
      case .text:
        var lines = version.lines
        if names.contains("report.txt") {
          let answer = try await client.models.report(of: version.model, version: number)
          lines += [""]
          lines += String(decoding: answer.content, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }
        output.show(version.json) { lines }
      }
    }
  }

  /// Writes the first drawing of a version.
  private func draw(
    _ version: ModelVersion, to path: String, _ client: MassifClient
  ) async throws {
    guard let name = version.artifacts.map(\.name).filter({ $0.hasSuffix(".svg") }).sorted().first
    else {
      throw CommandError(
        "\(version.model)@\(version.version)", expected: "a version with a drawing", came: "none",
        hint: "decision trees and the like have one")
    }
    let answer = try await client.models.report(
      of: version.model, version: version.version, artifact: name)
    do {
      try answer.content.write(to: URL(filePath: path))
    } catch {
      throw CommandError("\(path) cannot be written: \(error.localizedDescription)")
    }
  }
}

extension JSONValue {
  /// The object with one more member.
  fileprivate func adding(_ key: String, _ value: JSONValue) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members + [(key: key, value: value)])
  }

  /// A report, which a plugin may have written in any way.
  fileprivate init(parsing data: Data) throws(CommandError) {
    let value: Any
    do {
      value = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
    } catch {
      throw CommandError("report.json is not JSON: \(error.localizedDescription)")
    }
    self.init(foundation: value)
  }

  /// Numbers and truth values are both `NSNumber`; their encoding tells them apart.
  private init(foundation value: Any) {
    switch value {
    case let object as [String: Any]:
      self = .object(
        object.sorted { $0.key < $1.key }
          .map { (key: $0.key, value: JSONValue(foundation: $0.value)) })
    case let array as [Any]: self = .array(array.map { JSONValue(foundation: $0) })
    case let text as String: self = .string(text)
    case let number as NSNumber:
      if String(cString: number.objCType) == "c" {
        self = .bool(number.boolValue)
      } else if let integer = Int64(exactly: number.doubleValue) {
        self = .integer(integer)
      } else {
        self = .number(number.doubleValue)
      }
    default: self = .null
    }
  }
}
