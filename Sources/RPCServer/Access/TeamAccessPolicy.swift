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

  private static let teamPermissions: Set<Permission> = [.identify, .read, .infer, .write]
  private static let serverPermissions: Set<Permission> = [.identify, .read]

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
    if administratorTeams.contains(principal.team) { return .allow }
    return TeamAccessPolicy.teamPermissions.contains(permission) ? .allow : .deny
  }

  /// Whether a principal may do this to a resource; another team's resources are concealed.
  public func authorize(
    _ principal: Principal, _ permission: Permission, on resource: Resource
  ) -> Decision {
    guard principal.trustDomain == trustDomain else { return .conceal }
    if administratorTeams.contains(principal.team) { return .allow }
    guard let team = resource.team else {
      return TeamAccessPolicy.serverPermissions.contains(permission) ? .allow : .deny
    }
    guard team == principal.team else { return .conceal }
    return TeamAccessPolicy.teamPermissions.contains(permission) ? .allow : .deny
  }
}
