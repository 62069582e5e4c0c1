// SPDX-License-Identifier: Apache-2.0
import Glibc
import MassifClient

/// From a signed plugin's first byte sent to its first answer, over RPC: registered, a version of a
/// model made, deployed, asked.
struct Registration {
  private let client: MassifClient
  private let administrator: MassifClient
  private let plugins: [String]

  init(server: String, certificates: String, plugins: [String]) throws {
    guard let address = ServerAddress(server) else {
      throw PluginFileError(path: server)
    }
    func connect(_ name: String) throws -> MassifClient {
      try MassifClient(
        addresses: [address], credentials: Credentials(directory: certificates, name: name))
    }
    client = try connect("alice")
    administrator = try connect("admin")
    self.plugins = plugins
  }

  func measure() async throws {
    // Connections are made before.
    _ = try await client.isServerReady()
    _ = try await administrator.isServerReady()
    for (name, isolation) in [
      ("register", PluginIsolation.inProcess), ("register_isolated", .isolated),
    ] {
      var times: [Int64] = []
      let half = plugins.count / 2
      for (index, path) in (name == "register" ? plugins[..<half] : plugins[half...]).enumerated() {
        times.append(try await register(path, "\(name)-\(index)", isolation))
      }
      report(name, ours: times.median / 1e6, bound: 50, unit: "ms", rounds: times.count)
    }
    client.close()
    administrator.close()
  }

  private func register(
    _ path: String, _ model: String, _ isolation: PluginIsolation
  ) async throws -> Int64 {
    let manifest = try Self.bytes(of: path + ".manifest")
    let tensor = try Tensor("x", shape: [1], [Float(1)])
    let start = nanoseconds()
    let plugin = try await administrator.plugins.register(
      file: path, signedManifest: manifest, isolation: isolation)
    let version = try await client.models.createVersion(
      of: model, plugin: plugin.name, configuration: "{}")
    _ = try await client.models.deploy(model, version: version.version)
    let answer = try await client.infer(model, inputs: [tensor])
    let time = nanoseconds() - start
    guard try answer.outputs[0].elements(of: Float.self) == [2] else {
      throw PluginFileError(path: path)
    }
    return time
  }

  private static func bytes(of path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { throw PluginFileError(path: path) }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = read(file, &bytes, bytes.count)
    return Array(bytes.prefix(max(count, 0)))
  }

  private struct PluginFileError: Error {
    var path: String
  }
}
