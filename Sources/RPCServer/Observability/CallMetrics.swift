// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Counts every call and measures how long it took and how much went either way.
final class CallMetrics: CallInterceptor {
  func begin(_ call: Call) throws(RPCError) {
    call.session.measures?.begin(call.route.index)
  }

  func end(_ call: Call, status: Status) {
    guard let measures = call.session.measures else { return }
    let (received, sent) = call.messageByteCounts
    measures.end(
      call.route.index, status: status.code.rawValue,
      nanoseconds: MonotonicTime.now.since(call.arrival), received: received, sent: sent)
  }
}
