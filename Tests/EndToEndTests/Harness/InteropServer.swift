// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A running server of gRPC's interoperability tests.
final class InteropServer: Sendable {
  /// What a client is told: port, authority, certificate, key.
  let arguments: [String]
  private let program: Program

  init() async throws {
    let program = try Program(
      BuildProducts.directory.appending(path: "interop-server"), [],
      environment: ["LOG_LEVEL": "error"])
    self.program = program
    let line = try await eventually("the interop server's address") { () -> String? in
      guard program.isRunning else {
        throw HarnessError("interop-server ended: \(program.wait().errors)")
      }
      return program.output.hasSuffix("\n") ? program.output : nil
    }
    let started = try JSONDecoder().decode(Started.self, from: Data(line.utf8))
    arguments = ["\(started.port)", started.ca, started.certificate, started.key]
  }

  private struct Started: Decodable {
    let port: Int
    let ca: String
    let certificate: String
    let key: String
  }

  /// Ends the server and waits for it.
  func stop() -> ProgramResult {
    program.signal(SIGTERM)
    return program.wait()
  }
}
