// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Synchronization

@testable import ModelPlugins

/// Where this package's sources and build products are.
enum Locations {
  /// The package's root.
  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  static let header = root.appending(path: "Sources/CPluginABI/include").path

  /// A shared object that the build made beside the test bundle.
  static func product(_ name: String) -> String {
    URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appending(path: "lib\(name).so").path
  }
}

/// A directory that goes away with the object.
final class TemporaryDirectory: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "plugins-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
  }

  func path(_ name: String) -> String { url.appending(path: name).path }

  func write(_ name: String, _ text: String) throws -> String {
    let path = path(name)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
}

/// What a program that ran to its end gave.
struct ProgramResult {
  var status: Int32
  var output: String
}

/// Runs a program of the path, its two outputs together.
func run(_ program: String, _ arguments: [String]) throws -> ProgramResult {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = [program] + arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return ProgramResult(
    status: process.terminationStatus, output: String(decoding: bytes, as: UTF8.self))
}

/// Whether a program is there.
func isInstalled(_ program: String) -> Bool {
  (try? run("which", [program]))?.status == 0
}

/// Compiles a plugin from C source and gives its path.
func compilePlugin(_ source: String, in directory: TemporaryDirectory) throws -> String {
  let file = try directory.write(
    "plugin.c",
    "#include \"massif_plugin.h\"\n#include <stdlib.h>\n#include <string.h>\n" + source)
  let library = directory.path("plugin.so")
  let result = try run(
    "cc",
    [
      "-std=c11", "-Wall", "-Werror", "-Wno-unused", "-shared", "-fPIC",
      "-I", Locations.header, "-o", library, file,
    ])
  guard result.status == 0 else { throw CompilationFailure(output: result.output) }
  return library
}

struct CompilationFailure: Error {
  var output: String
}

/// A registry, and the lines that it logged.
final class TestRegistry: Sendable {
  let registry: PluginRegistry
  let lines: LogLines

  final class LogLines: Sendable {
    private let state = Mutex<[String]>([])
    var all: [String] { state.withLock { $0 } }
    func append(_ level: LogLevel, _ line: String) {
      state.withLock { $0.append("\(level) \(line)") }
    }
  }

  init(
    threads: Int = 2, limits: PluginLimits = PluginLimits(),
    isolation: IsolationConfiguration = IsolationConfiguration()
  ) throws {
    let lines = LogLines()
    self.lines = lines
    registry = PluginRegistry(
      workers: try WorkerPool(threadCount: threads), limits: limits, isolation: isolation
    ) {
      lines.append($0, $1)
    }
  }

  /// Loads a library.
  func load(
    _ path: String, isolation: PluginIsolation = .inProcess
  ) throws(PluginError) -> ModelPlugins.ModelPlugin {
    try registry.load(PluginImage(path: path), isolation: isolation)
  }
}

/// The error that `body` throws; nil when it throws none or another.
func failure(_ body: () throws -> Void) -> PluginError? {
  do {
    try body()
    return nil
  } catch {
    return error as? PluginError
  }
}

extension PluginExecution {
  /// Sets an FP32 input from values that the execution keeps alive.
  func setFloats(_ index: Int, _ values: [Float], shape: [Int]) {
    let box = values.withUnsafeBytes { ByteBox($0) }
    setInput(index, datatype: .fp32, shape: shape, bytes: box.bytes, owner: box)
  }
}

extension PluginOutput {
  /// The elements of an FP32 output.
  var floats: [Float] {
    stride(from: 0, to: bytes.count, by: 4).map {
      bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
    }
  }
}

/// A library that goes away with the object.
struct CompiledPlugin: Sendable {
  let directory: TemporaryDirectory
  var path: String { directory.path("plugin.so") }
}

/// Compiles a plugin of Examples/Plugins, as its page says and with every warning an error.
func compileExample(_ source: String) throws -> CompiledPlugin {
  let plugin = CompiledPlugin(directory: try TemporaryDirectory())
  let isCPlusPlus = source.hasSuffix(".cc")
  let result = try run(
    isCPlusPlus ? "c++" : "cc",
    [
      isCPlusPlus ? "-std=c++17" : "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
      "-shared", "-fPIC", "-pthread", "-I", Locations.header, "-o", plugin.path,
      Locations.root.appending(path: "Examples/Plugins/\(source)").path,
    ])
  guard result.status == 0 else { throw CompilationFailure(output: result.output) }
  return plugin
}
