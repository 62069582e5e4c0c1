// SPDX-License-Identifier: Apache-2.0

/// Every team has the run of its own resources and does not learn of any other's; administrators
/// have the run of everything.
///
/// What is not said here is denied: identities of another trust domain, permissions that are not
/// listed, and changes to what belongs to the server.
public struct TeamAccessPolicy: AccessPolicy {
  /// The trust domain whose teams these are; the same team name elsewhere is another team.
  public let trustDomain: String
  /// Teams whose members administer the server.
  public let administratorTeams: Set<String>

  /// Makes the policy of one organisation.
  public init(trustDomain: String, administratorTeams: Set<String>) {
    self.trustDomain = trustDomain
    self.administratorTeams = administratorTeams
  }

  /// Whether a principal may call a method that needs `permission`; never conceals one.
  public func authorize(
    _ principal: Principal, method: MethodName, requires permission: Permission
  ) -> Decision {
    guard principal.trustDomain == trustDomain else { return .deny }
    if TeamAccessPolicy.isForTeams(permission) { return .allow }
    return isAdministrator(principal) ? .allow : .deny
  }

  /// Whether a principal may do this to a resource; another team's resources are concealed.
  public func authorize(
    _ principal: Principal, _ permission: Permission, on resource: Resource
  ) -> Decision {
    guard principal.trustDomain == trustDomain else { return .conceal }
    if resource.team == principal.team, TeamAccessPolicy.isForTeams(permission) { return .allow }
    if isAdministrator(principal) { return .allow }
    guard let team = resource.team else {
      return TeamAccessPolicy.isForEverybody(permission) ? .allow : .deny
    }
    return team == principal.team ? .deny : .conceal
  }

  private func isAdministrator(_ principal: Principal) -> Bool {
    administratorTeams.contains(principal.team)
  }

  /// What a team may do to its own.
  ///
  /// Compared and not hashed: it is asked twice a call.
  private static func isForTeams(_ permission: Permission) -> Bool {
    permission == .infer || permission == .read || permission == .write || permission == .identify
  }

  /// What everybody may do to what belongs to the server.
  private static func isForEverybody(_ permission: Permission) -> Bool {
    permission == .read || permission == .identify
  }
}
