// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Which methods there are, what each needs and who handles it.
///
/// Every method declares the permission that a caller needs: there is no way to register one
/// without. Filled once, before the server starts.
public struct Router: Sendable {
  /// Handles a call with one request and one response.
  public typealias UnaryHandler =
    @Sendable (_ request: ReceivedMessage, _ context: CallContext) async throws -> OutgoingMessage
  /// Handles a call with one request and any number of responses.
  public typealias ServerStreamingHandler =
    @Sendable (_ request: ReceivedMessage, _ context: CallContext, _ responses: ResponseWriter)
    async throws -> Void
  /// Handles a call with any number of requests and one response.
  public typealias ClientStreamingHandler =
    @Sendable (_ requests: RequestMessages, _ context: CallContext) async throws -> OutgoingMessage
  /// Handles a call with any number of requests and responses.
  public typealias BidirectionalHandler =
    @Sendable (_ requests: RequestMessages, _ context: CallContext, _ responses: ResponseWriter)
    async throws -> Void

  private(set) var routes: [String: Route] = [:]

  /// Makes a router without methods.
  public init() {}

  /// The methods, by name.
  public var methods: [MethodDescription] {
    routes.values.map(\.method).sorted { $0.name.path < $1.name.path }
  }

  /// Adds a data-plane method: its handler runs on the event loop, without `async`.
  ///
  /// - Parameter maxMessageSize: the longest request, in bytes; nil for the server's bound.
  /// - Precondition: the method is new; so for all of these.
  public mutating func register(
    dataPlane name: MethodName, requires permission: Permission, maxMessageSize: Int? = nil,
    handler: any UnaryDataPlaneHandler
  ) {
    add(name, .dataPlane, permission, maxMessageSize, .dataPlane(handler))
  }

  /// Adds a data-plane method whose requests and responses both stream: its handler runs on the
  /// event loop, without `async`.
  ///
  /// - Parameter maxMessageSize: the longest request, in bytes; nil for the server's bound.
  public mutating func register(
    dataPlaneStream name: MethodName, requires permission: Permission, maxMessageSize: Int? = nil,
    handler: any StreamingDataPlaneHandler
  ) {
    add(name, .dataPlaneStream, permission, maxMessageSize, .dataPlaneStream(handler))
  }

  /// Adds a method with one request and one response.
  public mutating func register(
    unary name: MethodName, requires permission: Permission, maxMessageSize: Int? = nil,
    handler: @escaping UnaryHandler
  ) {
    add(name, .unary, permission, maxMessageSize, .unary(handler))
  }

  /// Adds a method with one request and any number of responses.
  ///
  /// - Parameter isSubscription: the call only tells of changes and has no end of its own, so a
  ///   server that shuts down does not wait for it but ends it, as UNAVAILABLE.
  public mutating func register(
    serverStreaming name: MethodName, requires permission: Permission, maxMessageSize: Int? = nil,
    isSubscription: Bool = false, handler: @escaping ServerStreamingHandler
  ) {
    add(
      name, isSubscription ? .subscription : .serverStreaming, permission, maxMessageSize,
      .serverStreaming(handler))
  }

  /// Adds a method with any number of requests and one response.
  public mutating func register(
    clientStreaming name: MethodName, requires permission: Permission, maxMessageSize: Int? = nil,
    handler: @escaping ClientStreamingHandler
  ) {
    add(name, .clientStreaming, permission, maxMessageSize, .clientStreaming(handler))
  }

  /// Adds a method with any number of requests and responses.
  ///
  /// - Parameter isSubscription: as for a server-streaming method.
  public mutating func register(
    bidirectional name: MethodName, requires permission: Permission, maxMessageSize: Int? = nil,
    isSubscription: Bool = false, handler: @escaping BidirectionalHandler
  ) {
    add(
      name, isSubscription ? .subscription : .bidirectional, permission, maxMessageSize,
      .bidirectional(handler))
  }

  private mutating func add(
    _ name: MethodName, _ kind: MethodDescription.Kind, _ permission: Permission,
    _ maxMessageSize: Int?, _ handler: Route.Handler
  ) {
    precondition(routes[name.path] == nil, "\(name) is registered twice")
    precondition(maxMessageSize.map { $0 > 0 } ?? true, "\(name): no message would fit")
    let method = MethodDescription(
      name: name, kind: kind, permission: permission, maxMessageSize: maxMessageSize)
    routes[name.path] = Route(method, handler, index: routes.count)
  }
}

/// A method as it was registered.
public struct MethodDescription: Sendable, Hashable {
  /// How many messages go either way, and on which plane.
  public enum Kind: Sendable, Hashable {
    case dataPlane
    /// On the data plane, with any number of messages either way.
    case dataPlaneStream
    case unary
    case serverStreaming
    /// Server-streaming, without an end of its own.
    case subscription
    case clientStreaming
    case bidirectional
  }

  /// The name on the wire.
  public let name: MethodName
  /// How many messages go either way.
  public let kind: Kind
  /// What a caller needs.
  public let permission: Permission
  /// The longest request message, in bytes; nil for the server's bound.
  public let maxMessageSize: Int?
}

/// A method and its handler.
///
/// A class, so that a call holds it by one reference.
final class Route: Sendable {
  enum Handler: Sendable {
    case dataPlane(any UnaryDataPlaneHandler)
    case dataPlaneStream(any StreamingDataPlaneHandler)
    case unary(Router.UnaryHandler)
    case serverStreaming(Router.ServerStreamingHandler)
    case clientStreaming(Router.ClientStreamingHandler)
    case bidirectional(Router.BidirectionalHandler)
  }

  let method: MethodDescription
  let handler: Handler
  /// Its place among the routes of the router, from 0.
  let index: Int

  init(_ method: MethodDescription, _ handler: Handler, index: Int) {
    self.method = method
    self.handler = handler
    self.index = index
  }
}
