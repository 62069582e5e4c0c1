// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import ModelPlugins
import RPCTransport
import Runtime
import Store
import TestSupport
import Testing

@testable import Serving

/// Real plugins behind the loader.
@Suite(.timeLimit(.minutes(1))) struct ModelLoaderTests {
  private struct Bench {
    let directory: TemporaryDirectory
    let store: Store
    let plugins: PluginRegistry

    init() throws {
      directory = try TemporaryDirectory()
      store = try Store.open(directory: directory.path)
      plugins = PluginRegistry(workers: try WorkerPool(threadCount: 1), log: { _, _ in })
      try plugins.registerBuiltIns()
    }

    func publish(
      plugin: String, digest: Digest? = nil, configuration: String = "{}",
      files: [String: [UInt8]] = [:]
    ) throws -> ModelVersionRecord {
      let staged = try store.stageVersion()
      var artifacts: [ArtifactRecord] = []
      for (name, bytes) in files {
        let name = try #require(ResourceName(name))
        try bytes.withUnsafeBytes { try staged.append($0, to: name) }
        artifacts.append(
          ArtifactRecord(
            name: name, digest: try bytes.withUnsafeBytes { try SHA256.digest(of: $0) },
            byteCount: bytes.count))
      }
      return try store.publish(
        staged, as: QualifiedName(parsing: "vision/m", defaultTeam: nil),
        manifest: ModelManifest(
          plugin: try #require(ResourceName(plugin)), pluginVersion: "1.0", pluginDigest: digest,
          configuration: configuration, inputs: [], outputs: [], artifacts: artifacts),
        audit: AuditRecord(created: Date(timeIntervalSince1970: 0), createdBy: "test"))
    }

    func load(_ record: ModelVersionRecord) throws(ServingError) -> any InferenceModel {
      try StoreModelLoader(store: store, plugins: plugins).load(record)
    }
  }

  @Test func pluginsThatAreNotThere() throws {
    let bench = try Bench()
    let digest = try #require(Digest(hexadecimal: String(repeating: "ab", count: 32)))
    for (record, words) in [
      (try bench.publish(plugin: "nothing"), "no built-in plugin nothing"),
      (try bench.publish(plugin: "identity", digest: digest), "register that build"),
    ] {
      let error = #expect(throws: ServingError.self) { try bench.load(record) }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message.contains(words) == true)
    }
  }

  @Test func whatThePluginRefuses() throws {
    let bench = try Bench()
    let record = try bench.publish(plugin: "neural-network", configuration: #"{"what":1}"#)
    let error = #expect(throws: ServingError.self) { try bench.load(record) }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("neural-network") == true)
    #expect(error?.message.contains(bench.directory.path) == false)
  }

  @Test func aDamagedFile() throws {
    let bench = try Bench()
    let record = try bench.publish(
      plugin: "neural-network", files: ["weights.safetensors": [1, 2, 3]])
    let path = "\(bench.directory.path)/models/vision/m/1/weights.safetensors"
    #expect(chmod(path, 0o600) == 0)
    let file = try #require(fopen(path, "w"))
    fputs("xyz", file)
    fclose(file)
    let error = #expect(throws: ServingError.self) { try bench.load(record) }
    #expect(error?.message.contains("damaged") == true)
  }

  /// The C identity plugin, from its library to an answer that shares the request's memory.
  @Test func aModelOfALibraryAnswers() async throws {
    let bench = try Bench()
    let library = try #require(sharedObject("IdentityC"))
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: library)))
    let digest = try bytes.withUnsafeBytes { try SHA256.digest(of: $0) }
    _ = try bench.plugins.load(PluginImage(path: library))
    let record = try bench.publish(plugin: "identity", digest: digest)
    let serving = Serving(
      configuration: ServingConfiguration(), store: bench.store, plugins: bench.plugins,
      log: { _, _ in })
    try await serving.models.load(record)
    let version = try #require(
      serving.models.listing(for: ServingBench.caller("vision")).first?.served)
    let input = try #require(version.loaded.signature.inputs.first)
    #expect(version.loaded.model.executesInline)

    var builder = RequestBuilder(model: "m")
    let extents = input.extents.map { $0 < 0 ? Int64(1000) : $0 }
    builder.input(input.name, input.datatype.rawValue, extents)
    builder.raw(Int(extents.reduce(1, *)) * (input.datatype.byteCount ?? 1))
    let call = TestCall()
    let caller = try ServingBench.caller("vision")
    InferHandler(
      manager: serving.models,
      decoder: InferRequestDecoder(limits: InferLimits(), pool: BufferPool())
    ).infer(
      PooledBuffer(copying: builder.writer.bytes), for: call, caller: caller,
      recent: RecentRequests(pool: BufferPool()))
    let answer = try #require(call.answer)
    #expect(answer.outputs.first?.shape == extents)
    #expect(answer.modelVersion == "\(record.version)")
    await serving.stop()
  }

  /// A library that the build has put beside this test's executable.
  private func sharedObject(_ name: String) -> String? {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    guard count > 0 else { return nil }
    let executable = String(decoding: path[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return executable.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/") + "/lib\(name).so"
  }
}
