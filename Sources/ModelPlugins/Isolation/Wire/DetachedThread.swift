// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A thread that nobody waits for.
enum DetachedThread {
  private final class Start {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
      self.body = body
    }
  }

  /// Runs `body` on a thread of its own; false when the system starts none.
  ///
  /// - Parameter stackByteCount: nil for the system's default, which foreign code may rely on.
  @discardableResult
  static func start(
    stackByteCount: Int? = nil, _ body: @escaping @Sendable () -> Void
  ) -> Bool {
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return false }
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    if let stackByteCount { pthread_attr_setstacksize(&attributes, stackByteCount) }
    let start = Unmanaged.passRetained(Start(body))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    guard status == 0 else {
      start.release()
      return false
    }
    return true
  }
}
