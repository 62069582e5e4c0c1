// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import ModelPlugins
import RPCServer
import RPCTransport
import Synchronization
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct StreamInferenceTests {
  private func request(
    _ id: String, model: String = "digits", first: UInt8 = 0, raw: Int = 16
  ) -> [UInt8] {
    var builder = RequestBuilder(model: model)
    builder.writer.string(3, id)
    builder.input()
    builder.writer.bytes(7, [first] + [UInt8](repeating: 0, count: raw - 1))
    return builder.writer.bytes
  }

  private func inference(
    _ bench: ServingBench, errorsEndTheCall: Bool = false
  ) throws -> StreamInference {
    StreamInference(
      infer: bench.handler, pool: BufferPool(), caller: try bench.caller(),
      errorsEndTheCall: errorsEndTheCall)
  }

  @Test func eachRequestIsAnsweredAndMarkedFinal() async throws {
    let bench = try ServingBench()
    try await bench.load()
    let (stream, inference) = (TestStream(), try inference(bench))
    for number in 0..<200 {
      inference.receive(PooledBuffer(copying: request("\(number)")), of: stream)
    }
    let answers = await stream.answers(200)
    #expect(Set(answers.map(\.id)) == Set((0..<200).map(String.init)))
    #expect(answers.allSatisfy { $0.error.isEmpty && $0.isFinal == true && $0.outputs == 1 })
    #expect(stream.completedByteCounts.count == 200)
    await bench.stop()
  }

  @Test func oneBrokenRequestDoesNotConcernTheOthers() async throws {
    let bench = try ServingBench()
    try await bench.load()
    let (stream, inference) = (TestStream(), try inference(bench))
    for bytes in [
      request("before"), request("short", raw: 15), request("unknown", model: "nobody"),
      [0xff, 0xff], [], request("after"),
    ] { inference.receive(PooledBuffer(copying: bytes), of: stream) }
    let answers = await stream.answers(6)
    func answer(_ id: String) throws -> StreamAnswer {
      try #require(answers.first { $0.id == id })
    }
    for id in ["before", "after"] { #expect(try answer(id).error == "") }
    #expect(try answer("short").error.contains("raw_input_contents[0]"))
    #expect(try answer("unknown").error.contains("model nobody"))
    #expect(try answer("unknown").modelName == "nobody")
    #expect(answers.filter { $0.id.isEmpty && !$0.error.isEmpty }.count == 2)
    #expect(answers.allSatisfy { $0.isFinal == true })
    #expect(stream.failures.isEmpty)
    await bench.stop()
  }

  @Test func whoAsksForErrorsOfTheCallGetsThem() async throws {
    let bench = try ServingBench()
    try await bench.load()
    let (stream, inference) = (TestStream(), try inference(bench, errorsEndTheCall: true))
    inference.receive(PooledBuffer(copying: request("short", raw: 15)), of: stream)
    #expect(stream.failures == [.invalidArgument])
    #expect(stream.completedByteCounts.count == 1)
    #expect(await stream.answers(0).isEmpty)
    await bench.stop()
  }

  @Test(arguments: [("true", true), ("false", false), ("", false), (nil, false)])
  func theHeaderThatAsksForErrorsOfTheCall(value: String?, asks: Bool) throws {
    var metadata = Metadata()
    if let value { try metadata.append(value, for: "triton_grpc_error") }
    #expect(StreamInference.errorsEndTheCall(metadata) == asks)
  }

  @Test func aFailureInsideTheServerIsNotTold() async throws {
    let bench = try ServingBench { (_) throws(ServingError) in
      IdentityModel(maxBatchSize: 1) { _ in PluginError(.internal, "/secret/path") }
    }
    try await bench.load()
    let (stream, inference) = (TestStream(), try inference(bench))
    inference.receive(PooledBuffer(copying: request("one")), of: stream)
    let answer = try #require(await stream.answers(1).first)
    #expect(answer.error == "told by id")
    #expect(stream.reported == [.internal])
    await bench.stop()
  }

  /// What waits in the queue of a model when the caller goes is not computed.
  @Test func cancelledRequestsCostNoCompute() async throws {
    let gate = Gate()
    let model = IdentityModel(maxBatchSize: 1, gate: gate)
    var configuration = ServingConfiguration()
    configuration.executorCount = 1
    let bench = try ServingBench(configuration) { (_) throws(ServingError) in model }
    try await bench.load()
    let (stream, inference) = (TestStream(), try inference(bench))
    for number in 0..<10 {
      inference.receive(PooledBuffer(copying: request("\(number)")), of: stream)
    }
    await gate.arrival()
    stream.cancel()
    gate.open(10)
    await stream.completions(10)
    #expect(model.executions.count == 1)
    #expect(stream.completedByteCounts.count == 10)
    await bench.stop()
  }

  @Test func expiredRequestsCostNoCompute() async throws {
    let gate = Gate()
    let model = IdentityModel(maxBatchSize: 1, gate: gate)
    var configuration = ServingConfiguration()
    configuration.executorCount = 1
    let bench = try ServingBench(configuration) { (_) throws(ServingError) in model }
    try await bench.load()
    let patient = TestStream()
    try inference(bench).receive(PooledBuffer(copying: request("first")), of: patient)
    await gate.arrival()
    let hurried = TestStream(deadline: .now)
    let other = try inference(bench)
    for number in 0..<5 {
      other.receive(PooledBuffer(copying: request("\(number)")), of: hurried)
    }
    gate.open(6)
    await hurried.completions(5)
    await patient.completions(1)
    #expect(model.executions.count == 1)
    await bench.stop()
  }

  /// Objects are used again only when nobody holds them, whatever a model keeps.
  @Test func anObjectThatIsHeldIsNotUsedAgain() async throws {
    let bench = try ServingBench { (_) throws(ServingError) in
      IdentityModel(executesInline: true)
    }
    try await bench.load()
    let (stream, inference) = (TestStream(), try inference(bench))
    for round in 0..<3 {
      for number in 0..<100 {
        inference.receive(PooledBuffer(copying: request("\(round).\(number)")), of: stream)
      }
    }
    let answers = await stream.answers(300)
    // Inline models answer in order.
    #expect(answers.map(\.id) == (0..<3).flatMap { round in (0..<100).map { "\(round).\($0)" } })
    await bench.stop()
  }
}

/// Requests that a decoupled model answers any number of times.
@Suite struct StreamedRequestTests {
  private func request(
    enableEmptyFinalResponse: Bool?, on stream: TestStream
  ) -> StreamedRequest {
    var message = WireWriter()
    message.string(1, "llama")
    message.string(3, "seven")
    if let enableEmptyFinalResponse {
      message.message(4) {
        $0.string(1, "triton_enable_empty_final_response")
        $0.message(2) { $0.bytes += [8, enableEmptyFinalResponse ? 1 : 0] }
      }
    }
    let request = StreamedRequest(
      writer: StreamResponseWriter(pool: BufferPool()), errorsEndTheCall: false)
    request.begin(PooledBuffer(copying: message.bytes), of: stream)
    return request
  }

  private func answer(_ text: String) -> OutgoingMessage {
    var response = WireWriter()
    response.string(3, text)
    return OutgoingMessage(response.bytes)
  }

  @Test func answersThatAreNotTheLastSaySo() async {
    let stream = TestStream()
    let request = request(enableEmptyFinalResponse: nil, on: stream)
    request.respond(answer("one"))
    request.respond(answer("two"))
    request.succeed(answer("three"))
    let answers = await stream.answers(3)
    #expect(answers.map(\.id) == ["one", "two", "three"])
    #expect(answers.map(\.isFinal) == [false, false, true])
    #expect(stream.completedByteCounts.count == 1)
    #expect(request.isCancelled)
  }

  @Test(arguments: [(nil, 1), (false, 1), (true, 2)])
  func theEmptyLastAnswerIsSentToThoseWhoAskForIt(asks: Bool?, count: Int) async {
    let stream = TestStream()
    let request = request(enableEmptyFinalResponse: asks, on: stream)
    request.respond(answer("one"))
    request.finish()
    let answers = await stream.answers(count)
    #expect(answers.count == count)
    #expect(answers[0].isFinal == false)
    if count == 2 {
      #expect(
        answers[1]
          == StreamAnswer(
            error: "", modelName: "llama", id: "seven", isFinal: true, outputs: 0))
    }
    #expect(stream.completedByteCounts.count == 1)
  }

  @Test func largeAnswersAreLentAndNotCopied() throws {
    let tensor = PooledBuffer(copying: [UInt8](repeating: 7, count: 100_000))
    let head = PooledBuffer(copying: [0x1a, 1, 0x78, 0x32, 0xa0, 0x8d, 0x06])
    let writer = StreamResponseWriter(pool: BufferPool())
    let message = writer.response(
      OutgoingMessage(head: head, segments: [.init(tensor.bytes, owner: tensor)]), isFinal: true)
    #expect(message.segments.map(\.bytes.baseAddress) == [tensor.bytes.baseAddress])
    let answer = try #require(StreamAnswer(message.array))
    #expect(answer == StreamAnswer(error: "", modelName: "", id: "x", isFinal: true, outputs: 1))
    // A head that is large itself is lent too.
    let large = PooledBuffer(copying: [0x32, 0xa0, 0x8d, 0x06] + tensor.array)
    let second = writer.response(OutgoingMessage(head: large), isFinal: false)
    #expect(second.segments.map(\.bytes.baseAddress) == [large.bytes.baseAddress])
    #expect(StreamAnswer(second.array)?.outputs == 1)
  }
}

/// A `ModelStreamInferResponse`, decoded by protobuf-c.
private struct StreamAnswer: Equatable {
  var error: String
  var modelName: String
  var id: String
  var isFinal: Bool?
  var outputs: Int

  init(error: String, modelName: String, id: String, isFinal: Bool?, outputs: Int) {
    self.error = error
    self.modelName = modelName
    self.id = id
    self.isFinal = isFinal
    self.outputs = outputs
  }

  init?(_ message: [UInt8]) {
    guard let answer = inference__model_stream_infer_response__unpack(nil, message.count, message)
    else { return nil }
    defer { inference__model_stream_infer_response__free_unpacked(answer, nil) }
    guard let response = answer.pointee.infer_response?.pointee else { return nil }
    error = String(field: answer.pointee.error_message)
    modelName = String(field: response.model_name)
    id = String(field: response.id)
    outputs = Int(response.n_raw_output_contents)
    for index in 0..<response.n_parameters {
      guard let entry = response.parameters[index]?.pointee else { continue }
      if String(field: entry.key) == "triton_final_response" {
        isFinal = entry.value.pointee.bool_param != 0
      }
    }
  }
}

/// The call of a stream, whose answers a test looks at.
private final class TestStream: InferenceStream {
  private struct State {
    var answers: [[UInt8]] = []
    var completed: [Int] = []
    var failures: [Status.Code] = []
    var reported: [Status.Code] = []
    var isCancelled = false
    var waiters: [(isMet: @Sendable (Int, Int) -> Bool, CheckedContinuation<Void, Never>)] = []
  }

  private let state = Mutex(State())
  let deadline: ContinuousClock.Instant?

  init(deadline: ContinuousClock.Instant? = nil) { self.deadline = deadline }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }
  var completedByteCounts: [Int] { state.withLock { $0.completed } }
  var failures: [Status.Code] { state.withLock { $0.failures } }
  var reported: [Status.Code] { state.withLock { $0.reported } }

  func cancel() { state.withLock { $0.isCancelled = true } }
  func fail(_ error: RPCError) { change { $0.failures.append(error.code) } }
  func respond(_ response: OutgoingMessage) { change { $0.answers.append(response.array) } }

  func complete(_ response: OutgoingMessage?, requestByteCount: Int) {
    change { state in
      if let response { state.answers.append(response.array) }
      state.completed.append(requestByteCount)
    }
  }

  func status(of error: RPCError) -> Status {
    guard error.code == .internal else { return error.status }
    change { $0.reported.append(error.code) }
    return Status(.internal, "told by id")
  }

  private func change(_ body: (inout State) -> Void) {
    let met = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      body(&state)
      let (answers, completed) = (state.answers.count, state.completed.count)
      let met = state.waiters.filter { $0.isMet(answers, completed) }
      state.waiters.removeAll { $0.isMet(answers, completed) }
      return met.map(\.1)
    }
    for waiter in met { waiter.resume() }
  }

  private func wait(_ isMet: @escaping @Sendable (Int, Int) -> Bool) async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        let isOver = isMet(state.answers.count, state.completed.count)
        if !isOver { state.waiters.append((isMet, continuation)) }
        return isOver
      }
      if isOver { continuation.resume() }
    }
  }

  /// Waits for the answers and decodes all.
  func answers(_ count: Int) async -> [StreamAnswer] {
    await wait { answers, _ in answers >= count }
    return state.withLock { $0.answers.compactMap(StreamAnswer.init) }
  }

  func completions(_ count: Int) async { await wait { _, completed in completed >= count } }
}
