// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Refuses calls beyond the number that a caller may have in progress.
final class QuotaInterceptor: CallInterceptor {
  func begin(_ call: Call) throws(RPCError) { try call.session.account.begin() }
  func end(_ call: Call, status: Status) { call.session.account.end() }
}
