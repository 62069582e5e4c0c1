// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Runs libFuzzer on an entry.
///
/// `massif-fuzz --entry=NAME`, then libFuzzer's own arguments (https://llvm.org/docs/LibFuzzer.html);
/// without arguments it lists the entries.
///
/// `Fuzz/run` builds it with the instrumentation that libFuzzer needs.
@main
struct MassifFuzz {
  // SAFETY: written once, before libFuzzer starts, and read by it alone.
  nonisolated(unsafe) private static var entry: FuzzEntry?

  static func main() {
    guard CommandLine.arguments.count > 1 else {
      for entry in FuzzEntry.all { print(entry.name, entry.maxByteCount) }
      return
    }
    // libFuzzer passes over what begins with two dashes, and hands it on where it starts itself anew.
    let flag = "--entry="
    guard CommandLine.arguments[1].hasPrefix(flag),
      let chosen = FuzzEntry.all.first(where: { flag + $0.name == CommandLine.arguments[1] })
    else {
      say("expected \(flag)NAME, came \(CommandLine.arguments[1])")
      exit(2)
    }
    entry = chosen
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    exit(runDriver(&count, &arguments, MassifFuzz.run))
  }

  private static let run: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32 = { start, count in
    do {
      try MassifFuzz.entry?.run(UnsafeRawBufferPointer(start: start, count: count))
    } catch {
      say("\(error)")
      abort()
    }
    return 0
  }

  private static func say(_ text: String) {
    let line = Array("massif-fuzz: \(text)\n".utf8)
    write(STDERR_FILENO, line, line.count)
  }
}

/// libFuzzer's entry for programs that have a `main` of their own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32
