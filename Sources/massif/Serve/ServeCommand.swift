// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Glibc

/// `massif serve`.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve: take data, train, keep versions, answer.",
    discussion: """
      Serves over mutual TLS, on loopback unless told otherwise. Prints `massif serving on ADDRESS:PORT` when it is ready; \
      its log goes to standard error. SIGHUP reads the certificates anew (they are also looked at every few \
      seconds). SIGTERM or Ctrl-C drains: calls in progress finish, training jobs go on at \
      the next start. A second signal ends it at once.

      Example:
        massif certs init
        massif serve --listen 127.0.0.1:8001 --data-directory massif-data
      """)

  @OptionGroup var options: ServeOptions

  func run() async throws {
    // A peer that is gone is an error of its connection, not the end of the server.
    signal(SIGPIPE, SIG_IGN)
    let settings = try ServeSettings(options)
    OpenFileLimit.raise()
    let stop = StopSignal()
    let assembly: ServerAssembly
    do {
      assembly = try ServerAssembly(settings)
      let address = try await assembly.start()
      Console.print("massif serving on \(address)")
    } catch {
      throw CommandError(serving: error, settings)
    }
    let hangup = HangupSignal { [assembly] in assembly.reloadCertificates() }
    let name = await stop.wait()
    hangup.end()
    stop.letNextOneEndTheProcess()
    Console.note("massif: \(name): draining; once more to end at once")
    await assembly.stop()
  }
}
