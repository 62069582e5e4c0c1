// SPDX-License-Identifier: Apache-2.0
internal import Logging
internal import RPCTransport

/// Writes a line for every call: who called what, how it ended and how long it took.
struct AccessLog: CallInterceptor {
  let log: Logger
  let coversDataPlane: Bool

  func begin(_ call: Call) throws(RPCError) {}

  func end(_ call: Call, status: Status) {
    var fields: Logger.Metadata = [
      "method": "\(call.method.name)", "principal": "\(call.principal)",
      "status": "\(status.code)", "request_id": "\(call.requestID)",
    ]
    if let start = call.start {
      let taken = start.duration(to: .now).components
      fields["ms"] = "\(taken.seconds * 1000 + taken.attoseconds / 1_000_000_000_000_000)"
    }
    log.info("call", metadata: fields)
  }
}
