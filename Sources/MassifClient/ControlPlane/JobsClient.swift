// SPDX-License-Identifier: Apache-2.0
public import MassifAPI
internal import SwiftProtobuf
internal import RPCTransport

/// Training jobs (`massif.v1.Jobs`).
public struct JobsClient: Sendable {
  private static let service = "/massif.v1.Jobs/"
  let caller: Caller

  /// Submits a job.
  ///
  /// The answer means that it is stored; it runs when the server has room.
  ///
  /// - Parameter requestID: the same id submits once, however often the call is made; nil makes a
  ///   new one, so that the attempts of this call submit once.
  public func submit(
    _ specification: TrainingSpecification, requestID: String? = nil,
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Job {
    try await caller.unary(
      Self.service + "SubmitJob",
      Massif_V1_SubmitJobRequest.with {
        $0.specification = specification
        $0.requestID = requestID ?? Self.freshID()
      }, Job.self, isRepeatable: true, deadline: deadline)
  }

  /// A job as it stands.
  public func get(
    _ id: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Job {
    try await caller.unary(
      Self.service + "GetJob", Massif_V1_GetJobRequest.with { $0.id = id }, Job.self,
      isRepeatable: true, deadline: deadline)
  }

  /// All jobs of a team; empty means the caller's.
  public func list(
    team: String = "", deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> [Job] {
    try await caller.pages(
      { (token) async throws(MassifError) in
        try await caller.unary(
          Self.service + "ListJobs",
          Massif_V1_ListJobsRequest.with {
            $0.team = team
            $0.page.pageToken = token
          }, Massif_V1_ListJobsResponse.self, isRepeatable: true, deadline: deadline)
      }, \.jobs, next: \.nextPageToken)
  }

  /// Asks a job to stop; it is `CANCELLING` until its worker has.
  public func cancel(
    _ id: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Job {
    try await caller.unary(
      Self.service + "CancelJob", Massif_V1_CancelJobRequest.with { $0.id = id }, Job.self,
      isRepeatable: true, deadline: deadline)
  }

  /// The job as it stands, then as it changes; ends when the job has ended.
  ///
  /// A stream that is lost is opened again, so a server that restarts does not end it. A slow
  /// reader sees the newest state and not every one. Leaving the loop, or cancelling its task, ends
  /// the watch and leaves the job alone.
  public func watch(_ id: String) -> AsyncThrowingStream<Job, any Error> {
    AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let task = Task {
        do {
          try await JobWatch(id: id, caller: caller).run { continuation.yield($0) }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  /// 128 random bits in hexadecimal.
  private static func freshID() -> String {
    (0..<2).map { _ in
      let digits = String(UInt64.random(in: .min ... .max), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
