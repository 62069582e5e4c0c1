// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import Synchronization

/// How many calls each principal has in progress, over all its connections, and how many it may.
///
/// An account is looked up once a connection; a call then costs two atomic additions.
public final class QuotaLedger: Sendable {
  /// Calls that one principal may have in progress.
  public let maxConcurrentCalls: Int
  private let accounts = Mutex<[Principal: QuotaAccount]>([:])

  /// Ten times what a busy client with 8 connections of 100 streams would need is no protection, a
  /// tenth would hinder it.
  public static let defaultMaxConcurrentCalls = 1024

  /// Makes a ledger in which nobody has a call in progress.
  public init(maxConcurrentCalls: Int = QuotaLedger.defaultMaxConcurrentCalls) {
    precondition(maxConcurrentCalls > 0, "a bound of no calls at all")
    self.maxConcurrentCalls = maxConcurrentCalls
  }

  /// Opens the account of a principal for one connection; ``close(_:)`` gives it up again.
  func open(_ principal: Principal) -> QuotaAccount {
    accounts.withLock { accounts in
      let account = accounts[principal] ?? QuotaAccount(principal, limit: maxConcurrentCalls)
      account.connections += 1
      accounts[principal] = account
      return account
    }
  }

  /// Forgets the account with its last connection, so that the ledger does not grow.
  func close(_ account: QuotaAccount) {
    accounts.withLock { accounts in
      account.connections -= 1
      if account.connections == 0 { accounts[account.principal] = nil }
    }
  }

  /// The principals that have a connection now.
  var principalCount: Int { accounts.withLock { $0.count } }
}

/// The calls in progress of one principal.
final class QuotaAccount: @unchecked Sendable {
  let principal: Principal
  // SAFETY: read and written by the ledger alone, under its lock.
  fileprivate var connections = 0
  private let limit: Int
  private let calls = Atomic<Int>(0)

  /// Calls end in microseconds to seconds; a client that is told to wait should not wait long.
  private static let retryDelay = Duration.milliseconds(100)

  init(_ principal: Principal, limit: Int) {
    self.principal = principal
    self.limit = limit
  }

  /// Counts a call that begins.
  ///
  /// - Throws: `.resourceExhausted` with `QuotaFailure` and `RetryInfo` where the bound is reached;
  ///   the call is then not counted.
  func begin() throws(RPCError) {
    let inProgress = calls.wrappingAdd(1, ordering: .relaxed).newValue
    guard inProgress > limit else { return }
    end()
    let what = "at most \(limit) calls in progress for each caller"
    throw RPCError(
      .resourceExhausted, "\(what); wait for some to end",
      details: [
        .quotaFailure([QuotaViolation(subject: principal.spiffeID, description: what)]),
        .retryInfo(QuotaAccount.retryDelay),
      ])
  }

  /// Counts a call that has ended.
  func end() {
    calls.wrappingSubtract(1, ordering: .relaxed)
  }

  /// Calls in progress now.
  var callCount: Int { calls.load(ordering: .relaxed) }
}
