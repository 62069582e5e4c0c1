// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How a worker process came to its end.
enum WorkerExit: Sendable, Hashable, CustomStringConvertible {
  case exited(status: Int32)
  case signalled(Int32)

  /// A sentence for the owner of the job.
  var description: String {
    switch self {
    case .exited(let status):
      return "the worker process ended with status \(status) before the training was done"
    case .signalled(let signal):
      let words = strsignal(signal).map { String(cString: $0) } ?? "unknown signal"
      let hint =
        signal == SIGKILL ? "; an operator did it, or the system because memory ran out" : ""
      return "the worker process was killed by signal \(signal) (\(words))\(hint)"
    }
  }
}
