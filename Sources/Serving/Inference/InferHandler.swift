// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// `ModelInfer`: from the message to a request in its model's queue, on the event loop, without
/// `async`.
struct InferHandler: UnaryDataPlaneHandler {
  let manager: ModelManager
  let decoder: InferRequestDecoder

  func handle(_ call: UnaryCall) {
    infer(
      call.message.buffer, for: call,
      caller: Caller(principal: call.principal, access: call.access))
  }

  /// Takes a request; `call` is answered exactly once, now or later.
  func infer(_ message: PooledBuffer, for call: some InferenceCall, caller: Caller) {
    let arrival = ContinuousClock.now
    do throws(ServingError) {
      let (version, request) = try decoder.decode(
        message,
        resolve: { (name, version) throws(ServingError) in
          try manager.version(named: name, version: version, for: caller, .infer)
        },
        signature: \.loaded.signature)
      try version.infer(request, for: call, arrival: arrival)
    } catch {
      call.fail(error)
    }
  }
}

extension UnaryCall: InferenceCall {
  func fail(_ error: ServingError) { fail(error.rpcError) }
}
