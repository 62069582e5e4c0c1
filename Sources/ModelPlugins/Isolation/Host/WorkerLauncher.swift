// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc

/// Starts worker processes.
struct IsolatedWorkerLauncher: Sendable {
  let executable: String

  /// - Throws: `.failedPrecondition` when there is no worker to start.
  init(_ configuration: IsolationConfiguration) throws(PluginError) {
    guard let path = configuration.workerExecutable ?? Self.besideThisExecutable() else {
      throw PluginError(.failedPrecondition, "the server's own executable cannot be found")
    }
    executable = path
    guard access(path, X_OK) == 0 else {
      throw PluginError(
        .failedPrecondition,
        "isolated plugins need \(IsolationConfiguration.workerName) beside the server's executable;"
          + " it is built and installed with it")
    }
  }

  private static func besideThisExecutable() -> String? {
    var path = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &path, path.count)
    guard count > 0 else { return nil }
    let text = String(decoding: path[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return text.lastIndex(of: "/").map { text[...$0] + IsolationConfiguration.workerName }
  }

  /// Starts a process with `socket` as its channel.
  ///
  /// It ends when the calling thread does, and has nothing of this process's environment but where
  /// shared libraries are.
  ///
  /// - Throws: `.unavailable` when the system refuses.
  func launch(socket: Int32) throws(PluginError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, socket, IsolatedWorker.descriptor)

    // A process group of its own, or Ctrl-C in the server's terminal would end it before the server
    // has let its calls finish; and no signal setting of the server's.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    var allSignals = sigset_t()
    sigfillset(&allSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    posix_spawnattr_setsigdefault(&attributes, &allSignals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var arguments = Self.strings([IsolationConfiguration.workerName])
    var environment = Self.strings(Self.environment())
    defer { for text in arguments + environment { free(text) } }
    var identifier = pid_t()
    let number = posix_spawn(
      &identifier, executable, &actions, &attributes, &arguments, &environment)
    guard number == 0 else {
      throw PluginError(
        .unavailable, "an isolated worker could not be started (errno \(number))",
        reason: .restarting)
    }
    return identifier
  }

  private static func environment() -> [String] {
    // Two arenas: a worker has few threads, and each arena is memory.
    var environment = ["LANG=C", "MALLOC_ARENA_MAX=2", "SWIFT_BACKTRACE=enable=no"]
    if let path = getenv("LD_LIBRARY_PATH") {
      environment.append("LD_LIBRARY_PATH=\(String(cString: path))")
    }
    return environment
  }

  private static func strings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    texts.map { strdup($0) } + [nil]
  }
}
