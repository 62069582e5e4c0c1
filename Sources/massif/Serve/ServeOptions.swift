// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// The flags of `massif serve`.
struct ServeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where to serve (default: 127.0.0.1:8001; environment: MASSIF_LISTEN).",
      valueName: "address:port"))
  var listen: String?

  @Option(
    help: ArgumentHelp(
      "Where ca.pem, server.pem and server.key are (default: certs/dev; environment: "
        + "MASSIF_CERTIFICATES).", valueName: "directory"))
  var certificates: String?

  @Option(
    help: ArgumentHelp(
      "Where everything that must last is kept (default: massif-data; environment: "
        + "MASSIF_DATA_DIRECTORY).", valueName: "directory"))
  var dataDirectory: String?

  @Option(
    help: ArgumentHelp(
      "The SPIFFE trust domain of the callers (default: massif.local; environment: "
        + "MASSIF_TRUST_DOMAIN).", valueName: "name"))
  var trustDomain: String?

  @Option(
    help: ArgumentHelp(
      "Teams of administrators, separated by commas (default: admin; environment: "
        + "MASSIF_ADMINISTRATOR_TEAMS).", valueName: "teams"))
  var administratorTeams: String?

  @Option(
    help: ArgumentHelp(
      "Compute threads; 0 for one a core (default: 0; environment: MASSIF_THREADS).",
      valueName: "count"))
  var threads: String?

  @Option(
    help: ArgumentHelp(
      "Training jobs that run at once (default: 1; environment: MASSIF_CONCURRENT_JOBS).",
      valueName: "count"))
  var concurrentJobs: String?

  @Option(
    help: ArgumentHelp(
      "Compute threads of a training job; 0 for one a core (default: 0; environment: "
        + "MASSIF_TRAINING_THREADS).", valueName: "count"))
  var trainingThreads: String?

  @Option(
    help: ArgumentHelp(
      "The longest request message (default: 67108864; environment: MASSIF_MAX_MESSAGE_BYTES).",
      valueName: "bytes"))
  var maxMessageBytes: String?

  @Option(
    help: ArgumentHelp(
      "Which calls get a line in the log: off, control-plane or everything (default: "
        + "control-plane; environment: MASSIF_ACCESS_LOG).", valueName: "calls"))
  var accessLog: String?

  @Option(
    help: ArgumentHelp(
      "The file for those lines, JSON objects; without it they go to the server's log "
        + "(environment: MASSIF_ACCESS_LOG_FILE).", valueName: "path"))
  var accessLogFile: String?

  @Option(
    help: ArgumentHelp(
      "Whether calls are counted and timed: on or off (default: on; environment: "
        + "MASSIF_METRICS).", valueName: "on|off"))
  var metrics: String?

  @Option(
    help: ArgumentHelp(
      "Where to tell /metrics over plain HTTP, for scrapers without a certificate; "
        + "administrators have it over TLS anyway (environment: MASSIF_METRICS_LISTEN).",
      valueName: "address:port"))
  var metricsListen: String?

  @Option(
    help: ArgumentHelp(
      "The least that is logged: debug, info, notice, warning or error (default: info; "
        + "environment: MASSIF_LOG_LEVEL).", valueName: "level"))
  var logLevel: String?

  @Option(
    help: ArgumentHelp(
      "How long a stop waits for calls in progress (default: 30; environment: "
        + "MASSIF_DRAIN_SECONDS).", valueName: "seconds"))
  var drainSeconds: String?

  @Option(
    help: ArgumentHelp(
      "Whose signature a plugin needs: an Ed25519 public key in PEM, or a directory of them "
        + "(environment: MASSIF_PLUGIN_KEYS).", valueName: "path"))
  var pluginKeys: String?

  @Option(
    help: ArgumentHelp(
      "Plugins to register at the start: NAME.so with NAME.so.manifest, those in isolated/ isolated "
        + "(environment: MASSIF_PLUGIN_DIRECTORY).", valueName: "directory"))
  var pluginDirectory: String?

  @Option(
    help: ArgumentHelp(
      "How long a training may go without a report before it is stopped; 0 for ever (default: "
        + "1800; environment: MASSIF_TRAINING_SILENCE_SECONDS).", valueName: "seconds"))
  var trainingSilenceSeconds: String?

  @Flag(
    help: ArgumentHelp(
      "Load plugins that nobody has signed. For development "
        + "(environment: MASSIF_ALLOW_UNSIGNED_PLUGINS=true)."))
  var allowUnsignedPlugins = false

  @Option(
    help: ArgumentHelp(
      "Private memory that the worker of an isolated plugin may have; 0 for no limit (default: "
        + "2147483648; environment: MASSIF_ISOLATED_MEMORY_BYTES).", valueName: "bytes"))
  var isolatedMemoryBytes: String?

  @Option(
    help: ArgumentHelp(
      "The longest that a call of an isolated plugin may take before its worker is ended (default: "
        + "30; environment: MASSIF_ISOLATED_CALL_SECONDS).", valueName: "seconds"))
  var isolatedCallSeconds: String?

  @Option(
    help: ArgumentHelp(
      "The memory that one loaded model may take by its plugin's estimate (default: 4294967296; "
        + "environment: MASSIF_MAX_MODEL_BYTES).", valueName: "bytes"))
  var maxModelBytes: String?

  @Option(
    help: ArgumentHelp(
      "The memory that one training may take by its plugin's estimate (default: 17179869184; "
        + "environment: MASSIF_MAX_TRAINING_BYTES).", valueName: "bytes"))
  var maxTrainingBytes: String?

  @OptionGroup(title: "Connections") var connections: ServeConnectionOptions
  @OptionGroup var file: SettingsOptions

  /// What the flags give for a setting.
  func flag(_ setting: Setting) -> String? {
    switch setting {
    case .listen: listen
    case .certificates: certificates
    case .dataDirectory: dataDirectory
    case .trustDomain: trustDomain
    case .administratorTeams: administratorTeams
    case .threads: threads
    case .concurrentJobs: concurrentJobs
    case .trainingThreads: trainingThreads
    case .maxMessageBytes: maxMessageBytes
    case .accessLog: accessLog
    case .accessLogFile: accessLogFile
    case .metrics: metrics
    case .metricsListen: metricsListen
    case .logLevel: logLevel
    case .drainSeconds: drainSeconds
    case .pluginKeys: pluginKeys
    case .pluginDirectory: pluginDirectory
    case .trainingSilenceSeconds: trainingSilenceSeconds
    case .allowUnsignedPlugins: allowUnsignedPlugins ? "true" : nil
    case .isolatedMemoryBytes: isolatedMemoryBytes
    case .isolatedCallSeconds: isolatedCallSeconds
    case .maxModelBytes: maxModelBytes
    case .maxTrainingBytes: maxTrainingBytes
    default: connections.flag(setting)
    }
  }
}
