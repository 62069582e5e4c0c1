// SPDX-License-Identifier: Apache-2.0
import Glibc
import ModelPlugins

/// `massif-plugin-worker`: what the server starts for each isolated plugin.
///
/// A program of its own and not a subcommand of `massif`: it needs no TLS, no database and no
/// Foundation, and so takes a third of the memory and has that much less in it to be misused.
@main
enum PluginWorker {
  static func main() {
    var status = stat()
    guard fstat(IsolatedWorker.descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK
    else {
      let message = "massif-plugin-worker is started by massif; there is nothing to run here\n"
      write(STDERR_FILENO, message, message.utf8.count)
      exit(EXIT_FAILURE)
    }
    IsolatedWorker.run()
  }
}
