// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A Massif installation in a temporary folder: certificates, a data directory and a server process on loopback.
final class Installation {
  let directory: URL
  private(set) var server: Program
  private(set) var address: String

  var certificates: URL { directory.appending(path: "certificates") }
  var data: URL { directory.appending(path: "data") }

  /// Makes certificates and starts a server.
  ///
  /// The folder goes with `remove()`.
  init(serveArguments: [String] = []) async throws {
    directory = FileManager.default.temporaryDirectory.appending(
      path: "massif-e2e-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let made = try await Program.run(
      BuildProducts.massif,
      ["certs", "init", "--directory", directory.appending(path: "certificates").path])
    guard made.status == 0 else { throw HarnessError("certs init: \(made.errors)") }
    (server, address) = try await Self.start(directory, serveArguments)
  }

  private static func start(_ directory: URL, _ arguments: [String]) async throws -> (
    Program, String
  ) {
    let server = try Program(
      BuildProducts.massif,
      [
        "serve", "--listen", "127.0.0.1:0",
        "--data-directory", directory.appending(path: "data").path,
        "--certificates", directory.appending(path: "certificates").path,
      ] + arguments)
    let address = try await eventually("the server's address") { () -> String? in
      guard server.isRunning else { throw HarnessError("the server ended: \(server.errors)") }
      guard let line = server.output.split(separator: "\n").first else { return nil }
      return line.split(separator: " ").last.map(String.init)
    }
    return (server, address)
  }

  /// Ends the server at once, as a crash would.
  func crash() {
    server.signal(SIGKILL)
    _ = server.wait()
  }

  /// Starts a server on what the last one left.
  func restart(serveArguments: [String] = []) async throws {
    (server, address) = try await Self.start(directory, serveArguments)
  }

  /// Asks the server to stop and waits until it has.
  func stop() -> ProgramResult {
    server.signal(SIGTERM)
    return server.wait()
  }

  func remove() {
    if server.isRunning {
      server.signal(SIGKILL)
      _ = server.wait()
    }
    try? FileManager.default.removeItem(at: directory)
  }

  /// Runs the command line against this server.
  func massif(_ arguments: [String], as name: String = "alice", seconds: Double = 120) async throws
    -> ProgramResult
  {
    try await Program.run(
      BuildProducts.massif, arguments,
      environment: [
        "MASSIF_SERVER": address, "MASSIF_CERTIFICATES": certificates.path, "MASSIF_AS": name,
      ],
      seconds: seconds)
  }

  /// Runs the command line, expects success and reads its JSON.
  func massifJSON(_ arguments: [String], as name: String = "alice", seconds: Double = 120)
    async throws -> [String: Any]
  {
    let result = try await massif(arguments + ["--output", "json"], as: name, seconds: seconds)
    guard result.status == 0 else {
      throw HarnessError("massif \(arguments.joined(separator: " ")): \(result.errors)")
    }
    return try result.json()
  }

  /// Runs a Python program of `Tests/EndToEndTests/Python` or of the examples with tritonclient at hand.
  func python(_ script: String, _ arguments: [String], seconds: Double = 120) async throws
    -> ProgramResult
  {
    try await BuildProducts.runPython(
      script, ["--server", address, "--certificates", certificates.path] + arguments,
      seconds: seconds)
  }
}
