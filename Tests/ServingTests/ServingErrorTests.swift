// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Testing

@testable import Serving

/// What programs can read of the data plane's errors.
@Suite struct ServingErrorTests {
  @Test func fieldsThatAreWrongAreABadRequest() {
    let error = ServingError(field: "inputs[0].shape", "expected [4], came [5]").rpcError
    #expect(error.code == .invalidArgument)
    #expect(
      error.details == [
        .badRequest([
          FieldViolation(field: "inputs[0].shape", description: "expected [4], came [5]")
        ])
      ])
  }

  @Test func whatIsNotThereIsNamed() {
    let error = ServingError.unknownModel("digits").rpcError
    #expect(error.code == .notFound)
    #expect(
      error.details == [
        .resourceInfo(type: "model", name: "digits", owner: "", description: error.message)
      ])
  }

  @Test func whatComesBackSoonSaysWhen() throws {
    let error = ServingError.loading(try ServingBench.name("digits"), 3).rpcError
    #expect(error.code == .unavailable)
    #expect(error.details.first == .retryInfo(.seconds(1)))
    #expect(
      error.details.last
        == .resourceInfo(
          type: "model", name: "vision/digits", owner: "", description: error.message))
  }

  @Test(arguments: [nil, "digits"])
  func aBoundThatIsReachedIsAQuotaFailure(model: String?) {
    let error = ServingError(
      .resourceExhausted, "1024 requests are waiting", retryAfter: .milliseconds(50), model: model
    ).rpcError
    #expect(error.code == .resourceExhausted)
    let violation = QuotaViolation(
      subject: model == nil ? "request" : "model digits",
      description: "1024 requests are waiting")
    #expect(error.details == [.retryInfo(.milliseconds(50)), .quotaFailure([violation])])
  }

  @Test func nothingInsideIsTold() {
    let error = ServingError(.internal, "the model failed").rpcError
    #expect(error.details.isEmpty)
  }
}
