// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc

/// Starts a detached thread that runs `body`.
func startThread(
  named name: String, _ body: @escaping @Sendable () -> Void
) throws(TransportError) {
  final class Start {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  defer { pthread_attr_destroy(&attributes) }
  pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  var thread = pthread_t()
  let start = Unmanaged.passRetained(Start(name: name, body: body))
  let result = pthread_create(
    &thread, &attributes,
    { argument in
      guard let argument else { return nil }
      let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
      ce_name_thread(start.name)
      start.body()
      return nil
    }, start.toOpaque())
  guard result == 0 else {
    start.release()
    throw TransportError(.system, "pthread_create: \(String(cString: strerror(result)))")
  }
}

extension TransportError {
  /// The error of the system call that has just failed.
  static func system(_ call: String) -> TransportError {
    TransportError(.system, "\(call): \(String(cString: strerror(errno)))")
  }
}
