// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// `ModelInfer`: from the message to a request in its model's queue, on the event loop, without
/// `async`.
final class InferHandler: UnaryDataPlaneHandler {
  private let manager: ModelManager
  private let decoder: InferRequestDecoder

  init(manager: ModelManager, decoder: InferRequestDecoder) {
    self.manager = manager
    self.decoder = decoder
  }

  func handle(_ call: UnaryCall) {
    infer(
      call.message.buffer, for: call,
      caller: Caller(principal: call.principal, access: call.access), recent: recent(of: call))
  }

  /// What the connection of a call remembers of its requests.
  private func recent(of call: UnaryCall) -> RecentRequests {
    if let recent = call.connectionMemory as? RecentRequests { return recent }
    let recent = RecentRequests(pool: decoder.pool)
    call.connectionMemory = recent
    return recent
  }

  /// Takes a request; `call` is answered exactly once, now or later.
  ///
  /// - Parameter recent: of the connection that the request came over, on its loop.
  func infer(
    _ message: PooledBuffer, for call: some InferenceCall, caller: @autoclosure () -> Caller,
    recent: RecentRequests
  ) {
    let arrival = MonotonicTime.now
    let generation = manager.generation
    if let remembered = recent.recall(message, generation: generation),
      let lease = remembered.gate.enter(), let version = lease.version
    {
      version.infer(remembered.request, for: call, lease: lease, arrival: arrival)
      return remembered.letGo()
    }
    do throws(ServingError) {
      let caller = caller()
      let (version, request) = try decoder.decode(
        message,
        resolve: { (name, version) throws(ServingError) in
          try manager.version(named: name, version: version, for: caller, .infer)
        },
        signature: \.loaded.signature)
      guard let lease = version.enter(), let serving = lease.version else {
        throw ServingError.quiescing(version.model, version.version)
      }
      if let offset = recent.remember(
        message, as: request, of: serving, generation: generation)
      {
        call.alignRequests(ofByteCount: message.count, at: offset)
      }
      serving.infer(request, for: call, lease: lease, arrival: arrival)
    } catch {
      call.fail(error)
    }
  }
}

extension UnaryCall: InferenceCall {
  var traceParent: String? { TraceContext(metadata)?.text }
  func fail(_ error: ServingError) { fail(error.rpcError) }
}
