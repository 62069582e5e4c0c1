// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// A plugin of Examples/Plugins or of a test, compiled with the system's C compiler.
struct CompiledPlugin {
  let bytes: [UInt8]

  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// - Parameter example: the path of a C file in Examples/Plugins.
  init(example: String) throws {
    try self.init(file: Self.root.appending(path: "Examples/Plugins/\(example)"))
  }

  /// - Parameter source: C that needs `massif_plugin.h`.
  init(source: String) throws {
    let directory = try TemporaryDirectory()
    let file = URL(filePath: directory.path + "/plugin.c")
    try source.write(to: file, atomically: true, encoding: .utf8)
    try self.init(file: file)
  }

  private init(file: URL) throws {
    let directory = try TemporaryDirectory()
    let library = directory.path + "/plugin.so"
    let compiler = Process()
    compiler.executableURL = URL(filePath: "/usr/bin/env")
    compiler.arguments = [
      "cc", "-std=gnu11", "-w", "-O2", "-shared", "-fPIC", "-I",
      Self.root.appending(path: "Sources/CPluginABI/include").path, "-o", library, file.path,
    ]
    try compiler.run()
    compiler.waitUntilExit()
    guard compiler.terminationStatus == 0 else { throw CompilationFailure(file: file.path) }
    bytes = try Array(Data(contentsOf: URL(filePath: library)))
  }

  /// The compiler has said why.
  struct CompilationFailure: Error {
    var file: String
  }
}
