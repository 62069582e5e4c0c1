// SPDX-License-Identifier: Apache-2.0

/// The name of a method on the wire: `/package.Service/Method`.
public struct MethodName: Sendable, Hashable, CustomStringConvertible {
  /// The path, with both slashes.
  public let path: String

  /// Makes a name of a path; nil where it is not `/service/method`.
  public init?(path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty else {
      return nil
    }
    self.path = path
  }

  /// The service with its package, as `inference.GRPCInferenceService`.
  public var service: Substring {
    path.split(separator: "/", maxSplits: 1)[0]
  }

  /// The method alone, as `ModelInfer`.
  public var method: Substring {
    path.split(separator: "/", maxSplits: 1)[1]
  }

  /// The path.
  public var description: String { path }
}

extension MethodName: ExpressibleByStringLiteral {
  /// Makes a name of a literal path.
  ///
  /// - Precondition: it is `/service/method`.
  public init(stringLiteral path: String) {
    guard let name = MethodName(path: path) else {
      preconditionFailure("'\(path)' is not /service/method")
    }
    self = name
  }
}
