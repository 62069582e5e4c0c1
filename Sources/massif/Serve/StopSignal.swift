// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Glibc

/// SIGHUP as something that happens again and again.
final class HangupSignal {
  private let source: any DispatchSourceSignal

  /// Calls `handler`, on a thread of Dispatch, at each signal from now on until ``end()``.
  init(_ handler: @escaping @Sendable () -> Void) {
    // The default action would end the process.
    Glibc.signal(SIGHUP, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGHUP)
    source.setEventHandler { handler() }
    source.resume()
  }

  /// Stops listening to the signal, which stays without effect.
  func end() { source.cancel() }
}

/// SIGTERM and SIGINT as something to wait for.
final class StopSignal {
  private let sources: [any DispatchSourceSignal]
  private let signals: AsyncStream<Int32>

  /// Takes both signals from now on.
  init() {
    let (signals, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.signals = signals
    sources = [SIGTERM, SIGINT].map { number in
      // The default action must not end the process before the source is told.
      Glibc.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { continuation.yield(number) }
      source.resume()
      return source
    }
  }

  /// Waits for the first signal and names it.
  func wait() async -> String {
    for await signal in signals { return signal == SIGINT ? "SIGINT" : "SIGTERM" }
    return "the end of the signals"
  }

  /// From now on a signal ends the process at once, for those in a hurry.
  func letNextOneEndTheProcess() {
    for source in sources { source.cancel() }
    Glibc.signal(SIGTERM, SIG_DFL)
    Glibc.signal(SIGINT, SIG_DFL)
  }
}
