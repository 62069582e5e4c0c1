// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import Testing

/// The plugins of Examples/Plugins, built as their pages say, signed, registered while the server runs,
/// trained over the RPC, deployed and asked.
@Suite(.serialized) struct ExamplePluginTests {
  /// What builds an example; `{}` is where the library goes.
  struct Example: Sendable, CustomTestStringConvertible {
    var name: String
    var command: [String]
    var isIsolated = false
    var testDescription: String { isIsolated ? "\(name), isolated" : name }
  }

  private static let sources = BuildProducts.root.appending(path: "Examples/Plugins").path
  private static let header = BuildProducts.root.appending(path: "Sources/CPluginABI/include").path

  static let examples = [
    Example(
      name: "classifier-c",
      command: [
        "cc", "-std=c11", "-O2", "-shared", "-fPIC", "-I", header, "-o", "{}",
        "\(sources)/classifier/classifier.c",
      ]),
    Example(
      name: "classifier-c",
      command: [
        "cc", "-std=c11", "-O2", "-shared", "-fPIC", "-I", header, "-o", "{}",
        "\(sources)/classifier/classifier.c",
      ], isIsolated: true),
    Example(
      name: "classifier-cpp",
      command: [
        "c++", "-std=c++17", "-O2", "-shared", "-fPIC", "-pthread", "-I", header, "-o", "{}",
        "\(sources)/classifier-cpp/classifier.cc",
      ]),
    Example(
      name: "classifier-rust",
      command: [
        "rustc", "--crate-type", "cdylib", "--edition", "2021", "-C", "opt-level=2", "-o", "{}",
        "\(sources)/classifier-rust/classifier.rs",
      ]),
    Example(
      name: "classifier-swift",
      command: ["cp", BuildProducts.plugin("ClassifierSwift").path, "{}"]),
  ]

  @Test(arguments: examples) func trainsAndServes(example: Example) async throws {
    if example.command[0] == "rustc", try await !isInstalled("rustc") { return }
    let keys = try await PluginKeys()
    let massif = try await Installation(serveArguments: ["--plugin-keys", keys.directory.path])
    defer {
      massif.remove()
      keys.remove()
    }
    let library = massif.directory.appending(path: "plugin.so").path
    let built = try await Program.run(
      URL(filePath: "/usr/bin/env"),
      example.command.map { $0 == "{}" ? library : $0 })
    #expect(built.status == 0, "\(built.errors)")

    let unsigned = try await massif.massif(["plugins", "register", library], as: "admin")
    #expect(unsigned.status != 0)
    #expect(unsigned.errors.contains("massif plugins sign"), "\(unsigned.errors)")
    try await keys.sign(library)
    let registered = try await massif.massifJSON(
      ["plugins", "register", library] + (example.isIsolated ? ["--isolated"] : []), as: "admin")
    #expect(registered["name"] as? String == example.name)
    let described = try await massif.massifJSON(["plugins", "describe", example.name])
    let sandbox = try #require(described["sandbox"] as? [String])
    #expect(sandbox.contains { $0.hasPrefix("seccomp") } == example.isIsolated, "\(sandbox)")
    if example.isIsolated {
      let text = try await massif.massif(["plugins", "describe", example.name])
      #expect(text.output.contains("sandbox    \(sandbox[0])"), "\(text.output)")
    }
    #expect((registered["signed_by"] as? String)?.count == 64)

    let data = try Rings(in: massif.directory)
    _ = try await massif.massifJSON(data.importArguments)
    let specification = massif.directory.appending(path: "rings.json")
    let document: [String: Any] = [
      "model": "rings", "dataset": "rings", "plugin": example.name, "seed": 3,
      "configuration": ["hidden": 16, "epochs": 25, "batch_size": 16, "learning_rate": 0.03],
    ]
    try JSONSerialization.data(withJSONObject: document).write(to: specification)
    let submitted = try await massif.massifJSON(["train", specification.path])
    let id = try #require(submitted["id"] as? String)
    let watched = try await massif.massif(["jobs", "watch", id])
    #expect(watched.status == 0, "\(watched.errors)")
    let job = try await massif.massifJSON(["jobs", "get", id])
    #expect(job["state"] as? String == "SUCCEEDED", "\(job["error"] ?? "")")
    #expect((job["epochs"] as? [Any])?.count == 25)

    _ = try await massif.massifJSON(["deploy", "rings"])
    #expect(try await accuracy(massif) > 0.9)
    if example.name == "classifier-c" { try await learnsOn(massif) }
  }

  /// Has the version learn on from the samples that it has seen, and serves what becomes of it.
  private func learnsOn(_ massif: Installation) async throws {
    let specification = massif.directory.appending(path: "more.yaml")
    try Data("{model: rings, dataset: rings, continue_version: 1}".utf8).write(to: specification)
    let submitted = try await massif.massifJSON(["train", specification.path])
    let id = try #require(submitted["id"] as? String)
    let watched = try await massif.massif(["jobs", "watch", id])
    #expect(watched.status == 0, "\(watched.errors)")
    let job = try await massif.massifJSON(["jobs", "get", id])
    #expect(job["state"] as? String == "SUCCEEDED", "\(job["error"] ?? "")")
    #expect(job["version"] as? Int == 2)
    #expect(job["continue_version"] as? Int == 1)
    _ = try await massif.massifJSON(["deploy", "rings"])
    #expect(try await accuracy(massif) > 0.9)
  }

  /// Asks for all samples at once and for each alone, at the same time, so that the server puts some
  /// together: the answers are the same.
  private func accuracy(_ massif: Installation) async throws -> Double {
    let address = try #require(ServerAddress(massif.address))
    let client = try MassifClient(
      addresses: [address],
      credentials: Credentials(directory: massif.certificates.path, name: "alice"))
    defer { client.close() }
    let (points, labels) = Rings.points(60, salt: 7)
    let answer = try await client.infer(
      "rings", inputs: [Tensor("features", shape: [60, 2], points)])
    let probabilities = try answer.outputs[0].elements(of: Float.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for row in 0..<60 {
        group.addTask {
          let sample = Array(points[2 * row..<2 * row + 2])
          let one = try await client.infer(
            "rings", inputs: [Tensor("features", shape: [1, 2], sample)])
          let alone = try one.outputs[0].elements(of: Float.self)
          for (came, expected) in zip(alone, probabilities[2 * row..<2 * row + 2]) {
            #expect(abs(came - expected) < 1e-5, "row \(row)")
          }
        }
      }
      try await group.waitForAll()
    }
    let right = (0..<60).filter {
      (probabilities[2 * $0 + 1] > probabilities[2 * $0]) == (labels[$0] == 1)
    }
    return Double(right.count) / 60
  }

  private func isInstalled(_ program: String) async throws -> Bool {
    try await Program.run(URL(filePath: "/usr/bin/env"), ["which", program]).status == 0
  }
}

/// A key pair that `massif plugins keygen` made, in a directory that a server trusts.
struct PluginKeys {
  let directory: URL

  init() async throws {
    directory = FileManager.default.temporaryDirectory.appending(
      path: "massif-keys-\(UUID().uuidString)")
    let made = try await Program.run(
      BuildProducts.massif,
      ["plugins", "keygen", directory.appending(path: "team").path])
    guard made.status == 0 else { throw HarnessError(made.errors) }
  }

  /// Writes the signed manifest beside a library.
  func sign(_ library: String) async throws {
    let signed = try await Program.run(
      BuildProducts.massif,
      ["plugins", "sign", library, "--key", directory.appending(path: "team.key").path])
    guard signed.status == 0 else { throw HarnessError(signed.errors) }
  }

  func remove() { try? FileManager.default.removeItem(at: directory) }
}

/// Points in two rings, one in the other, as NPY files.
struct Rings {
  let directory: URL

  init(in directory: URL) throws {
    self.directory = directory
    let (points, labels) = Self.points(160, salt: 0)
    try Self.npy("<f4", [160, 2], points).write(to: directory.appending(path: "x.npy"))
    try Self.npy("<i4", [160], labels).write(to: directory.appending(path: "y.npy"))
  }

  var importArguments: [String] {
    [
      "data", "import", "rings",
      "--npy", "train/features=\(directory.appending(path: "x.npy").path)",
      "--npy", "train/labels=\(directory.appending(path: "y.npy").path)",
    ]
  }

  static func points(_ count: Int, salt: Int) -> ([Float], [Int32]) {
    var points: [Float] = []
    var labels: [Int32] = []
    for index in 0..<count {
      let angle = Double((index * 29 + salt) % 97) / 97 * 2 * Double.pi
      let label = Int32(index % 2)
      let radius = label == 0 ? 0.5 : 1.5
      points += [Float(radius * cos(angle)), Float(radius * sin(angle))]
      labels.append(label)
    }
    return (points, labels)
  }

  /// Version 1.0 of the format: magic, header padded to 64 bytes, elements.
  private static func npy<Element>(
    _ descriptor: String, _ shape: [Int], _ elements: [Element]
  ) -> Data {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(extents)), }"
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    var file = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
    file.append(UInt8(header.utf8.count & 0xFF))
    file.append(UInt8(header.utf8.count >> 8))
    file.append(contentsOf: header.utf8)
    elements.withUnsafeBytes { file.append(contentsOf: $0) }
    return file
  }
}
