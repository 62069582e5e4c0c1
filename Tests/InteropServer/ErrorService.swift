// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// Fails with every kind of detail that the server knows, for clients to show what they see of it.
struct ErrorService: Sendable {
  static let error = RPCError(
    .failedPrecondition, "every kind of detail",
    details: [
      .errorInfo(reason: "NOT_READY", metadata: ["model": "vision/digits"]),
      .badRequest([FieldViolation(field: "inputs[0].shape", description: "expected [4]")]),
      .retryInfo(.milliseconds(1500)),
      .quotaFailure([QuotaViolation(subject: "team/vision", description: "8 calls")]),
      .resourceInfo(
        type: "model", name: "digits", owner: "vision", description: "does not exist"),
    ])

  func register(in router: inout Router) {
    router.register(unary: "/massif.testing.ErrorService/Unary", requires: .identify) { _, _ in
      throw Self.error
    }
    router.register(
      serverStreaming: "/massif.testing.ErrorService/AfterAResponse", requires: .identify
    ) { request, _, responses in
      try await responses.write(OutgoingMessage(head: request.buffer))
      throw Self.error
    }
    router.register(
      dataPlane: "/massif.testing.ErrorService/DataPlane", requires: .identify,
      handler: FailingHandler())
  }

  private struct FailingHandler: UnaryDataPlaneHandler {
    func handle(_ call: UnaryCall) { call.fail(ErrorService.error) }
  }
}
