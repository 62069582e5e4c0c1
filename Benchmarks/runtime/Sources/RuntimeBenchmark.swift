// SPDX-License-Identifier: Apache-2.0

import Foundation
import Runtime

/// Our side of `bench-runtime`: one piece of work in a process of its own, run as the driver says on
/// standard input, so that rounds alternate with the peers'.
///
/// `bench-runtime CASE THREADS TENSORS.safetensors [key=value …]`, then a line `run SECONDS` repeats the
/// work for about that long and gives the seconds of one repetition by the clock and by the processor; a line
/// `result PATH` writes what the work computed as raw floats.
@main
struct RuntimeBenchmark {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 4, let threads = Int(arguments[2]) else {
      print("usage: bench-runtime CASE THREADS TENSORS.safetensors [key=value ...]")
      exit(2)
    }
    let setting = try Setting(
      threads: threads, tensors: arguments[3], parameters: arguments.dropFirst(4))
    let work = try makeCase(arguments[1], setting)
    while let line = readLine() {
      let words = line.split(separator: " ")
      switch words.first {
      case "run": try repeatedly(work, seconds: words.count > 1 ? Double(words[1]) ?? 0.1 : 0.1)
      case "result":
        var bytes = Data()
        for part in try work.results() { bytes.append(contentsOf: part) }
        try bytes.write(to: URL(filePath: String(words[1])))
        print("0 0")
      default: print("unknown command")
      }
      fflush(nil)
    }
  }

  private static func repeatedly(_ work: any Case, seconds: Double) throws {
    let clock = ContinuousClock()
    let (start, processor) = (clock.now, processorSeconds())
    var count = 0
    var elapsed = 0.0
    repeat {
      try work.run()
      count += 1
      elapsed = (clock.now - start) / .seconds(1)
    } while elapsed < seconds
    print(elapsed / Double(count), (processorSeconds() - processor) / Double(count))
  }

  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }
}
