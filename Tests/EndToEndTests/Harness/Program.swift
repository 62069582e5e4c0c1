// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
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

  /// Runs a Python program of this repository with the foreign clients at hand.
  static func runPython(
    _ script: String, _ arguments: [String], python: String? = python, seconds: Double = 120
  ) async throws -> ProgramResult {
    guard let python else {
      throw HarnessError("no Python environment is named; run the tests with `make test`")
    }
    return try await Program.run(
      URL(filePath: python), [root.appending(path: script).path] + arguments, seconds: seconds)
  }
}

/// A program that runs beside the test.
///
/// Not `Foundation.Process`, which crashes now and then in a process with as many threads as the tests have.
final class Program: Sendable {
  private struct State {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var status: Int32?
  }

  let identifier: pid_t
  private let state = Mutex(State())
  private let finished = DispatchGroup()

  init(_ executable: URL, _ arguments: [String], environment: [String: String] = [:]) throws {
    let output = try Self.pipe()
    let errors = try Self.pipe()
    defer {
      close(output.write)
      close(errors.write)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.write, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.write, STDERR_FILENO)

    let all = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let argumentList = CStrings([executable.path] + arguments)
    let environmentList = CStrings(all.map { "\($0.key)=\($0.value)" })
    var identifier = pid_t()
    let number = posix_spawn(
      &identifier, executable.path, &actions, nil, argumentList.pointers,
      environmentList.pointers)
    guard number == 0 else {
      close(output.read)
      close(errors.read)
      throw HarnessError("\(executable.path): \(String(cString: strerror(number)))")
    }
    self.identifier = identifier
    collect(output.read) { $0.output += $1 }
    collect(errors.read) { $0.errors += $1 }
    Self.onThread(finished) { [self, identifier] in
      var status: Int32 = 0
      while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
      // wait(2): the low seven bits are the signal, or zero after an ordinary end.
      let signal = status & 0x7f
      state.withLock { $0.status = signal == 0 ? status >> 8 & 0xff : 128 + signal }
    }
  }

  private static func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    guard Glibc.pipe(&ends) == 0 else {
      throw HarnessError("pipe: \(String(cString: strerror(errno)))")
    }
    // No other program may hold an end open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// A thread of its own: what waits for programs must not take threads from the tests.
  private static func onThread(_ group: DispatchGroup, _ body: @escaping @Sendable () -> Void) {
    group.enter()
    Thread.detachNewThread {
      body()
      group.leave()
    }
  }

  private func collect(
    _ descriptor: Int32, _ append: @escaping @Sendable (inout State, ArraySlice<UInt8>) -> Void
  ) {
    Self.onThread(finished) { [self] in
      defer { close(descriptor) }
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        state.withLock { append(&$0, buffer[..<count]) }
      }
    }
  }

  var isRunning: Bool { state.withLock { $0.status == nil } }
  var output: String { state.withLock { String(decoding: $0.output, as: UTF8.self) } }
  var errors: String { state.withLock { String(decoding: $0.errors, as: UTF8.self) } }

  /// Sends a signal, unless the program has ended and its number may be another's.
  func signal(_ number: Int32) {
    state.withLock { state in
      guard state.status == nil else { return }
      kill(identifier, number)
    }
  }

  /// Waits for the end and for the last byte of output.
  func wait() -> ProgramResult {
    finished.wait()
    return state.withLock { state in
      ProgramResult(
        status: state.status ?? -1, output: String(decoding: state.output, as: UTF8.self),
        errors: String(decoding: state.errors, as: UTF8.self))
    }
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
      Thread.detachNewThread { continuation.resume(returning: program.wait()) }
    }
  }
}

/// Strings as C wants a list of arguments: pointers, and NULL behind the last.
private final class CStrings {
  let pointers: [UnsafeMutablePointer<CChar>?]
  init(_ strings: [String]) { pointers = strings.map { strdup($0) } + [nil] }
  deinit { for pointer in pointers { free(pointer) } }
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
