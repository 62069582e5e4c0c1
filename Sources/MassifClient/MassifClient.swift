// SPDX-License-Identifier: Apache-2.0
@_exported public import MassifAPI
internal import RPCTransport

/// A client of one Massif server, or of several that serve the same models.
///
/// It connects when the first call needs a connection, shares connections between calls, and
/// connects again when one is lost. Every method may be called from any task at the same time.
/// Cancelling the calling task cancels the call, on the server too.
///
/// ```swift
/// let client = try MassifClient(
///   addresses: [ServerAddress(host: "localhost")],
///   credentials: Credentials(directory: "certs/dev", name: "alice"))
/// defer { client.close() }
/// let image = try Tensor("images", shape: [1, 28, 28, 1], pixels)
/// let answer = try await client.infer("vision/fashion", inputs: [image])
/// ```
public final class MassifClient: Sendable {
  /// How calls are made.
  public struct Options: Sendable {
    /// How calls are spread over the addresses.
    public var loadBalancing: LoadBalancing
    /// When a failed call is made again.
    public var retry: RetryPolicy
    /// When a watched job's stream is opened again; attempts are counted from the last event.
    public var watchRetry: RetryPolicy
    /// The pause before an address is connected to again.
    public var reconnection: Backoff
    /// The deadline, counted from now, of calls that are given none; nil for none.
    ///
    /// Uploads and watches have none.
    public var timeout: Duration?
    /// How long connecting, the TLS handshake included, may take.
    public var connectTimeout: Duration
    /// Answers above this are refused with `RESOURCE_EXHAUSTED`.
    public var maxMessageByteCount: Int
    let metadata: Metadata

    /// Makes options.
    ///
    /// - Parameter metadata: sent with every call; names in lower case, values printable ASCII.
    /// - Throws: `.invalidArgument` for metadata that gRPC does not allow.
    public init(
      loadBalancing: LoadBalancing = .pickFirst, retry: RetryPolicy = RetryPolicy(),
      watchRetry: RetryPolicy = RetryPolicy(maxAttempts: 12), reconnection: Backoff = Backoff(),
      timeout: Duration? = .seconds(60), connectTimeout: Duration = .seconds(10),
      maxMessageByteCount: Int = 64 << 20, metadata: [(name: String, value: String)]
    ) throws(MassifError) {
      var all = Metadata()
      for (name, value) in metadata {
        do {
          try all.append(value, for: name)
        } catch {
          throw MassifError(.invalidArgument, error.message, cause: error)
        }
      }
      self.init(
        loadBalancing, retry, watchRetry, reconnection, timeout, connectTimeout,
        maxMessageByteCount, all)
    }

    /// Makes options without metadata.
    public init(
      loadBalancing: LoadBalancing = .pickFirst, retry: RetryPolicy = RetryPolicy(),
      watchRetry: RetryPolicy = RetryPolicy(maxAttempts: 12), reconnection: Backoff = Backoff(),
      timeout: Duration? = .seconds(60), connectTimeout: Duration = .seconds(10),
      maxMessageByteCount: Int = 64 << 20
    ) {
      self.init(
        loadBalancing, retry, watchRetry, reconnection, timeout, connectTimeout,
        maxMessageByteCount, Metadata())
    }

    private init(
      _ loadBalancing: LoadBalancing, _ retry: RetryPolicy, _ watchRetry: RetryPolicy,
      _ reconnection: Backoff, _ timeout: Duration?, _ connectTimeout: Duration,
      _ maxMessageByteCount: Int, _ metadata: Metadata
    ) {
      self.loadBalancing = loadBalancing
      self.retry = retry
      self.watchRetry = watchRetry
      self.reconnection = reconnection
      self.timeout = timeout
      self.connectTimeout = connectTimeout
      self.maxMessageByteCount = maxMessageByteCount
      self.metadata = metadata
    }
  }

  let caller: Caller
  private let channel: Channel

  /// Makes a client.
  ///
  /// Reads the credentials; connects with the first call.
  ///
  /// - Throws: `.invalidArgument` when there is no address or the credentials cannot be used.
  public convenience init(
    addresses: [ServerAddress], credentials: Credentials, options: Options = Options()
  ) throws(MassifError) {
    let connector = try TransportConnector(credentials: credentials, options: options)
    try self.init(
      addresses: addresses, connector: connector, options: options, surroundings: .system)
  }

  init(
    addresses: [ServerAddress], connector: any Connector, options: Options,
    surroundings: Surroundings
  ) throws(MassifError) {
    guard !addresses.isEmpty else {
      throw MassifError(.invalidArgument, "expected at least one server address, came none")
    }
    channel = Channel(
      addresses: addresses, policy: options.loadBalancing, backoff: options.reconnection,
      connector: connector, surroundings: surroundings)
    caller = Caller(
      runner: CallRunner(channel: channel, retry: options.retry, surroundings: surroundings),
      options: options)
  }

  /// Closes all connections.
  ///
  /// Calls in flight fail with `UNAVAILABLE` or `CANCELLED`; so do calls to come.
  public func close() {
    channel.close()
  }

  /// Data sets: upload, list, look up.
  public var dataSets: DataSetsClient { DataSetsClient(caller: caller) }
  /// Training jobs: submit, watch, cancel.
  public var jobs: JobsClient { JobsClient(caller: caller) }
  /// Environments for trainings by reinforcement learning.
  public var environments: EnvironmentsClient { EnvironmentsClient(caller: caller) }
  /// The registry of models and what is deployed of it.
  public var models: ModelsClient { ModelsClient(caller: caller) }
  /// Model plugins.
  public var plugins: PluginsClient { PluginsClient(caller: caller) }
}
