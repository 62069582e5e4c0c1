// SPDX-License-Identifier: Apache-2.0
import Dispatch

/// Runs what waits for the disk, or for a library to load, on a thread that may wait: there are only
/// as many threads for asynchronous functions as processors.
func offload<Result: Sendable>(
  _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async {
      continuation.resume(with: Swift.Result(catching: body))
    }
  }
}
