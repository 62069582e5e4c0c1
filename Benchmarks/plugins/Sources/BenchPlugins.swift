// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the plugin boundary costs: in process, isolated, registered, restarted.
///
///     bench-plugins probe.so identity.so [ROUNDS]
///     bench-plugins --register HOST:PORT CERTIFICATES PLUGIN.so...
///
/// `Benchmarks/plugins/run` makes the plugins and starts the server.
@main
enum BenchPlugins {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "--register", arguments.count > 3 {
      try await Registration(
        server: arguments[1], certificates: arguments[2], plugins: Array(arguments[3...])
      ).measure()
      return
    }
    guard arguments.count >= 2 else {
      print("usage: bench-plugins probe.so identity.so [ROUNDS]")
      exit(64)
    }
    let rounds = arguments.count > 2 ? Int(arguments[2]) ?? 20 : 20
    try CallCost(probe: arguments[0], rounds: rounds).measure()
    try Restart(probe: arguments[0], rounds: max(3, rounds / 4)).measure()
    try WorkerMemory(identity: arguments[1]).measure()
  }
}

/// One line for a program to read; the peer is the bound that the issue names.
func report(
  _ name: String, ours: Double, bound: Double, unit: String, rounds: Int, note: String = ""
) {
  func text(_ value: Double) -> String {
    let scaled = (value * 100).rounded() / 100
    return scaled == scaled.rounded() ? "\(Int(scaled))" : "\(scaled)"
  }
  let ratio = ours > 0 ? bound / ours : 999
  print(
    "bench name=\(name) ours=\(text(ours)) peer=\(text(bound)) unit=\(unit)"
      + " ratio=\(text(ratio)) rounds=\(rounds)\(note.isEmpty ? "" : "  # \(note)")")
  fflush(nil)
}

func nanoseconds() -> Int64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

extension [Int64] {
  /// The middle one.
  var median: Double {
    let sorted = self.sorted()
    return sorted.isEmpty ? 0 : Double(sorted[sorted.count / 2])
  }
}
