// SPDX-License-Identifier: Apache-2.0

/// What a caller wants to do: each method declares the one that it needs.
public struct Permission: Sendable, Hashable, CustomStringConvertible {
  /// The name, as it stands in a policy.
  public let description: String

  /// Makes a permission that the ones below do not cover.
  public init(_ name: String) { description = name }

  /// Asks for nothing but a valid identity: health, the server's own metadata.
  public static let identify = Permission("identify")
  /// See that something exists, its metadata, state and statistics.
  public static let read = Permission("read")
  /// Run a model.
  public static let infer = Permission("infer")
  /// Create, change and delete: data sets, jobs, models, deployments.
  public static let write = Permission("write")
  /// Change the server itself: plugins, configuration, access.
  public static let administer = Permission("administer")
}

/// What something is done to.
public struct Resource: Sendable, Hashable, CustomStringConvertible {
  /// The kind, as `model`; appears in `ResourceInfo.resource_type`.
  public let kind: String
  /// The team that owns it; nil where it belongs to the server.
  public let team: String?
  /// The name within the team.
  public let name: String

  /// Makes the description of a resource, which need not exist.
  public init(kind: String, team: String?, name: String) {
    self.kind = kind
    self.team = team
    self.name = name
  }

  /// `kind team/name`, as the caller may read it.
  public var description: String { "\(kind) \(team.map { "\($0)/" } ?? "")\(name)" }
}
