// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import GRPCProtobuf

/// gRPC's interoperability cases as its `doc/interop-test-descriptions.md` has them, by grpc-swift-2.
///
///     interop PORT CA CERTIFICATE KEY
///
/// Prints a line for each case and fails where one does.
@main enum Interop {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count == 4, let port = arguments.first.flatMap(Int.init) else {
      FileHandle.standardError.write(Data("usage: interop PORT CA CERTIFICATE KEY\n".utf8))
      exit(2)
    }
    let files = Array(arguments.dropFirst())
    var configuration = HTTP2ClientTransport.Posix.Config.defaults
    configuration.compression.enabledAlgorithms = [.gzip, .deflate]
    let transport = try HTTP2ClientTransport.Posix(
      target: .dns(host: "localhost", port: port),
      transportSecurity: .mTLS(
        certificateChain: [.file(path: files[1], format: .pem)],
        privateKey: .file(path: files[2], format: .pem)
      ) { $0.trustRoots = .certificates([.file(path: files[0], format: .pem)]) },
      config: configuration)
    let failed = try await withGRPCClient(transport: transport) { client in
      let cases = Cases(client: TestClient(client))
      var failed = 0
      for (name, run) in cases.all {
        do {
          try await run()
          print("\(name): ok")
        } catch {
          failed += 1
          print("\(name): \(error)")
        }
      }
      print("\(cases.all.count - failed) passed, \(failed) failed")
      return failed
    }
    exit(failed == 0 ? 0 : 1)
  }
}

/// What a case found to be otherwise.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
  if !condition { throw Failure(what()) }
}
