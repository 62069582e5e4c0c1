// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// What a finished program printed and how it ended.
struct ProgramResult {
  let status: Int32
  let output: String
  let errors: String

  /// The output as one JSON document.
  func json() throws -> [String: Any] {
    let document = try JSONSerialization.jsonObject(with: Data(output.utf8))
    guard let object = document as? [String: Any] else {
      throw HarnessError("expected a JSON object, came: \(output)")
    }
    return object
  }
}

struct HarnessError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Where the build put the products that the tests run.
enum BuildProducts {
  /// The folder of the test bundle; the executable and the plugins lie beside it.
  static let directory: URL = {
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return URL(filePath: bundle).deletingLastPathComponent()
  }()

  static var massif: URL { directory.appending(path: "massif") }
  static func plugin(_ name: String) -> URL { directory.appending(path: "lib\(name).so") }

  /// The root of the checkout.
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The interpreter that has tritonclient; `scripts/test` makes it and says where it is.
  static var python: String? { ProcessInfo.processInfo.environment["MASSIF_TEST_PYTHON"] }
}

/// A program that runs beside the test.
final class Program: Sendable {
  private struct Streams {
    var output = Data()
    var errors = Data()
  }

  // SAFETY: Process is used from one thread at a time: started in `init`, afterwards only signalled and waited for.
  nonisolated(unsafe) private let process = Process()
  private let streams = Mutex(Streams())
  private let readers = DispatchGroup()

  init(_ executable: URL, _ arguments: [String], environment: [String: String] = [:]) throws {
    process.executableURL = executable
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    collect(output.fileHandleForReading) { $0.output.append($1) }
    collect(errors.fileHandleForReading) { $0.errors.append($1) }
  }

  private func collect(
    _ handle: FileHandle, _ append: @escaping @Sendable (inout Streams, Data) -> Void
  ) {
    DispatchQueue.global().async(group: readers) { [self] in
      while case let data = handle.availableData, !data.isEmpty {
        streams.withLock { append(&$0, data) }
      }
    }
  }

  var identifier: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }
  var output: String { streams.withLock { String(decoding: $0.output, as: UTF8.self) } }
  var errors: String { streams.withLock { String(decoding: $0.errors, as: UTF8.self) } }

  func signal(_ number: Int32) { kill(identifier, number) }

  /// Waits for the end and for the last byte of output.
  func wait() -> ProgramResult {
    process.waitUntilExit()
    readers.wait()
    return ProgramResult(status: process.terminationStatus, output: output, errors: errors)
  }

  /// Runs a program to its end, which comes within `seconds` or is brought about.
  static func run(
    _ executable: URL, _ arguments: [String], environment: [String: String] = [:],
    seconds: Double = 120
  ) async throws -> ProgramResult {
    let program = try Program(executable, arguments, environment: environment)
    let watchdog = Task {
      try await Task.sleep(for: .seconds(seconds))
      program.signal(SIGKILL)
    }
    defer { watchdog.cancel() }
    return await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: program.wait()) }
    }
  }
}

/// Asks again until the answer is there, for at most `seconds`.
func eventually<Value>(
  within seconds: Double = 30, _ what: String, _ ask: () async throws -> Value?
) async throws -> Value {
  let end = ContinuousClock.now + .seconds(seconds)
  while ContinuousClock.now < end {
    if let value = try await ask() { return value }
    try await Task.sleep(for: .milliseconds(20))
  }
  throw HarnessError("not within \(seconds) s: \(what)")
}
