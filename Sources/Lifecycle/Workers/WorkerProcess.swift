// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Starts workers as processes: this executable again, with the subcommand `worker`.
struct ProcessLauncher: WorkerLauncher {
  /// The descriptor on which a worker finds its socket.
  static let workerDescriptor: Int32 = 3

  var executable = "/proc/self/exe"
  var arguments = ["massif", "worker"]

  func launch() throws(LifecycleError) -> any Worker {
    let (ours, theirs) = try MessageChannel.makePair()
    let channel = MessageChannel(descriptor: ours)
    defer { close(theirs) }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, theirs, Self.workerDescriptor)

    // A process group of its own, or Ctrl-C in the server's terminal would kill its workers before
    // the server can put their jobs back; and no signal setting of the server's.
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

    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var identifier = pid_t()
    let number = posix_spawn(&identifier, executable, &actions, &attributes, argv, environ)
    guard number == 0 else {
      throw .system("posix_spawn", "starting a worker process failed", number: number)
    }
    return WorkerProcess(identifier: identifier, channel: channel)
  }
}

/// A worker process, which is a child of this one.
final class WorkerProcess: Worker {
  let channel: MessageChannel
  private let identifier: pid_t
  /// Whether the system may have given the number to another process.
  private let isReaped = Mutex(false)

  init(identifier: pid_t, channel: MessageChannel) {
    self.identifier = identifier
    self.channel = channel
  }

  func kill() {
    isReaped.withLock { isReaped in
      guard !isReaped else { return }
      killGroup()
    }
  }

  func wait() -> WorkerExit {
    // Until the child is reaped its number is its own; so wait first, then reap under the lock.
    var information = siginfo_t()
    while waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    return isReaped.withLock { isReaped in
      isReaped = true
      killGroup()
      var status: Int32 = 0
      while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
      // wait(2): the low seven bits are the signal, or zero after an ordinary end.
      let signal = status & 0x7f
      return signal == 0 ? .exited(status: status >> 8 & 0xff) : .signalled(signal)
    }
  }

  /// Ends the worker and whatever a plugin in it has started; the group has the leader's number.
  private func killGroup() {
    Glibc.kill(-identifier, SIGKILL)
  }
}
