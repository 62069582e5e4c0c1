// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What the server tells of itself, read with a client that nobody here wrote.
@Suite(.serialized) struct MetricsTests {
  private static let curl = URL(filePath: "/usr/bin/curl")

  /// Fetches a page over the server's own port, as a holder of a certificate would.
  private func fetch(
    _ massif: Installation, _ path: String, as name: String?, _ more: [String] = []
  ) async throws -> (code: String, body: String) {
    let file = { (name: String) in massif.certificates.appending(path: name).path }
    let identity = name.map { ["--cert", file("\($0).pem"), "--key", file("\($0).key")] } ?? []
    return try await fetch(
      "https://\(massif.address)\(path)", ["--http2", "--cacert", file("ca.pem")] + identity + more)
  }

  private func fetch(_ url: String, _ options: [String] = []) async throws -> (
    code: String, body: String
  ) {
    let result = try await Program.run(
      Self.curl,
      ["--silent", "--max-time", "20", "--write-out", "\n%{http_code}"] + options + [url]
    )
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
    return (String(lines.last ?? ""), lines.dropLast().joined(separator: "\n"))
  }

  @Test func metricsAreToldToAdministratorsAndWhereThatIsAskedForInThePlain() async throws {
    let massif = try await Installation(serveArguments: [
      "--allow-unsigned-plugins", "--metrics-listen", "127.0.0.1:0",
    ])
    defer { massif.remove() }
    _ = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    _ = try await massif.massifJSON(
      [
        "models", "create", "echo", "--plugin", "identity",
        "--configuration", #"{"datatype":"FP32","shape":[16]}"#,
      ])
    _ = try await massif.massifJSON(["deploy", "echo"])

    let page = try await fetch(massif, "/metrics", as: "admin")
    #expect(page.code == "200")
    for line in [
      #"grpc_server_call_started_total{grpc_method="massif.v1.Models/DeployModel"} 1"#,
      #"grpc_server_call_duration_seconds_count{grpc_method="massif.v1.Plugins/RegisterPlugin",grpc_status="OK"} 1"#,
      #"nv_inference_request_success{model="vision/echo",version="1"} 0"#,
      "massif_rpc_connections 1", "process_resident_memory_bytes ",
    ] {
      #expect(page.body.contains(line), "\(line)")
    }
    #expect(try await fetch(massif, "/metrics", as: "alice").code == "403")
    #expect(try await fetch(massif, "/other", as: "admin").code == "405")
    #expect(try await fetch(massif, "/metrics", as: nil).code == "000")
    #expect(try await fetch(massif, "/metrics", as: "admin", ["--request", "PUT"]).code == "405")

    let line = try #require(
      massif.server.errors.split(separator: "\n").first { $0.contains("metrics over plain HTTP") })
    let address = try #require(line.split(separator: " ").last)
    let plain = try await fetch("http://\(address)/metrics")
    #expect(plain.code == "200")
    #expect(plain.body.contains("grpc_server_call_started_total{"))
    #expect(try await fetch("http://\(address)/").code == "404")
    #expect(try await fetch("http://\(address)/metrics", ["--request", "POST"]).code == "405")
    #expect(massif.stop().status == 0)
  }

  @Test func theAccessLogHasALineForEachCall() async throws {
    let file = FileManager.default.temporaryDirectory.appending(
      path: "massif-access-\(UUID().uuidString).log")
    defer { try? FileManager.default.removeItem(at: file) }
    let massif = try await Installation(serveArguments: ["--access-log-file", file.path])
    defer { massif.remove() }
    _ = try await massif.massifJSON(["models", "list"])
    #expect(massif.stop().status == 0)
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    let calls = try lines.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let call = try #require(
      calls.first { $0["method"] as? String == "/massif.v1.Models/ListModels" })
    #expect(call["status"] as? String == "OK")
    #expect(call["principal"] as? String == "spiffe://massif.local/team/vision/alice")
  }
}
