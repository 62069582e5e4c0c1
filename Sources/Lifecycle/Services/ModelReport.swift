// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf

/// Reads the reports of a model version: the artifacts that are for people and programs to look at,
/// and never its weights.
enum ModelReport {
  /// What `GetReport` answers when it is not asked for another.
  static let defaultName = "report.txt"
  /// One answer holds the whole report; the largest trees are drawn in less.
  static let maxByteCount = 16 << 20

  /// Whether an artifact of this name may be read.
  static func isReadable(_ name: String) -> Bool {
    name == "report.json" || name == defaultName || name.hasSuffix(".svg")
  }

  /// - Throws: `.invalidArgument` for the name of an artifact that is no report, `.notFound` when the
  ///   version has none of that name, `.resourceExhausted` for one that is too large to answer.
  static func read(
    _ asked: String, of record: ModelVersionRecord, in store: Store
  ) throws -> Massif_V1_GetReportResponse {
    let artifact = asked.isEmpty ? defaultName : asked
    guard isReadable(artifact) else {
      throw RPCError.invalidArgument(
        "artifact",
        "expected report.json, report.txt or a drawing's name ending in .svg, came"
          + " \"\(artifact.prefix(128))\"")
    }
    let available = record.manifest.artifacts.map(\.name.description).filter(isReadable).sorted()
    guard available.contains(artifact) else {
      let there = available.isEmpty ? "none" : available.joined(separator: ", ")
      throw RPCError(
        .notFound,
        "version \(record.version) of model \(record.model) has no report \(artifact);"
          + " it has \(there)")
    }
    guard let file = try store.artifact(named: artifact, of: record)?.file else {
      throw RPCError(.notFound, "the report \(artifact) is not there")
    }
    let content = try file.withBytes { bytes throws(RPCError) in
      guard bytes.count <= maxByteCount else {
        throw RPCError(
          .resourceExhausted,
          "the report \(artifact) has \(bytes.count) bytes, more than the \(maxByteCount) of an"
            + " answer")
      }
      return Data(bytes)
    }
    return .with {
      $0.name = record.model.description
      $0.version = record.version
      $0.artifact = artifact
      $0.content = content
      $0.available = available
    }
  }
}
