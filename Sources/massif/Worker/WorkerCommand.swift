// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Glibc
internal import Lifecycle

/// `massif worker`: what the server starts for each training job.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Run one training job for the server that started this process.",
    shouldDisplay: false)

  /// Where the server puts the socket; the first descriptor behind the three that every process has.
  private static let descriptor: Int32 = 3

  func run() throws {
    var status = stat()
    guard fstat(Self.descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
      throw CommandError(
        "massif worker is started by the server", hint: "use `massif train` to train a model")
    }
    signal(SIGPIPE, SIG_IGN)
    TrainingWorker.run(descriptor: Self.descriptor)
  }
}
