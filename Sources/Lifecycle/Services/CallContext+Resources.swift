// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Store

/// Names in requests, and whether the caller may do what they ask with what they name.
extension CallContext {
  /// The caller's team.
  var team: ResourceName {
    get throws(RPCError) {
      guard let team = ResourceName(principal.team) else {
        throw RPCError(.internal, "the principal's team is no resource name")
      }
      return team
    }
  }

  /// Parses a name in a field; one without a team is of the caller's own.
  ///
  /// - Throws: `.invalidArgument` that names the field.
  func qualifiedName(_ text: String, field: String) throws(RPCError) -> QualifiedName {
    do {
      return try QualifiedName(parsing: text, defaultTeam: try team)
    } catch let error as RPCError {
      throw error
    } catch {
      throw .invalidArgument(field, RPCError(translating: error).message)
    }
  }

  /// Parses the team that a list is of; none means the caller's own.
  func team(_ text: String, field: String) throws(RPCError) -> ResourceName {
    text.isEmpty ? try team : try name(text, field: field)
  }

  /// Parses a single name in a field.
  func name(_ text: String, field: String) throws(RPCError) -> ResourceName {
    guard let name = ResourceName(text) else {
      throw .invalidArgument(
        field,
        "expected 1 to \(ResourceName.maxByteCount) letters, digits, '.', '_' and '-' with a letter"
          + " or digit first")
    }
    return name
  }

  /// Passes where the caller may do this to what is named, whether or not it exists.
  func require(_ permission: Permission, _ kind: String, _ name: QualifiedName) throws(RPCError) {
    try require(
      permission,
      on: Resource(kind: kind, team: name.team.description, name: name.name.description))
  }

  /// Passes where the caller may list a team's resources.
  func requireList(_ kind: String, of team: ResourceName) throws(RPCError) {
    try require(.read, on: Resource(kind: kind, team: team.description, name: "*"))
  }
}

extension RPCError {
  /// What is named does not exist.
  static func notFound(_ kind: String, _ name: QualifiedName) -> RPCError {
    .notFound(
      Resource(kind: kind, team: name.team.description, name: name.name.description))
  }
}
