// SPDX-License-Identifier: Apache-2.0

extension Setting {
  static let listen = Setting(
    key: "listen", flag: "--listen", environment: "MASSIF_LISTEN", defaultValue: "127.0.0.1:8001",
    about: "the numeric ADDRESS:PORT to serve on; port 0 for any that is free")
  static let dataDirectory = Setting(
    key: "data_directory", flag: "--data-directory", environment: "MASSIF_DATA_DIRECTORY",
    defaultValue: "massif-data", about: "where everything that must last is kept")
  static let trustDomain = Setting(
    key: "trust_domain", flag: "--trust-domain", environment: "MASSIF_TRUST_DOMAIN",
    defaultValue: "massif.local", about: "the SPIFFE trust domain that callers belong to")
  static let administratorTeams = Setting(
    key: "administrator_teams", flag: "--administrator-teams",
    environment: "MASSIF_ADMINISTRATOR_TEAMS", defaultValue: "admin",
    about: "teams that may register plugins and see everything, separated by commas")
  static let threads = Setting(
    key: "threads", flag: "--threads", environment: "MASSIF_THREADS", defaultValue: "0",
    about: "compute threads of the server; 0 for one a core")
  static let concurrentJobs = Setting(
    key: "concurrent_jobs", flag: "--concurrent-jobs", environment: "MASSIF_CONCURRENT_JOBS",
    defaultValue: "1", about: "training jobs that run at once")
  static let trainingThreads = Setting(
    key: "training_threads", flag: "--training-threads", environment: "MASSIF_TRAINING_THREADS",
    defaultValue: "0", about: "compute threads of a training job; 0 for one a core")
  static let maxMessageBytes = Setting(
    key: "max_message_bytes", flag: "--max-message-bytes",
    environment: "MASSIF_MAX_MESSAGE_BYTES", defaultValue: "67108864",
    about: "the longest request message")
  static let accessLog = Setting(
    key: "access_log", flag: "--access-log", environment: "MASSIF_ACCESS_LOG",
    defaultValue: "control-plane", about: "the calls that get a line in the log",
    choices: ["off", "control-plane", "everything"])
  static let accessLogFile = Setting(
    key: "access_log_file", flag: "--access-log-file", environment: "MASSIF_ACCESS_LOG_FILE",
    defaultValue: nil,
    about: "the file for the access log, one JSON object a line; the server's log without it")
  static let metrics = Setting(
    key: "metrics", flag: "--metrics", environment: "MASSIF_METRICS", defaultValue: "on",
    about: "whether calls are counted and timed for /metrics", choices: ["on", "off"])
  static let metricsListen = Setting(
    key: "metrics_listen", flag: "--metrics-listen", environment: "MASSIF_METRICS_LISTEN",
    defaultValue: nil,
    about: "an ADDRESS:PORT for /metrics over plain HTTP; administrators have it over TLS anyway")
  static let logLevel = Setting(
    key: "log_level", flag: "--log-level", environment: "MASSIF_LOG_LEVEL", defaultValue: "info",
    about: "the least that is logged", choices: ["debug", "info", "notice", "warning", "error"])
  static let drainSeconds = Setting(
    key: "drain_seconds", flag: "--drain-seconds", environment: "MASSIF_DRAIN_SECONDS",
    defaultValue: "30", about: "how long a stop waits for the calls in progress")
  static let pluginKeys = Setting(
    key: "plugin_keys", flag: "--plugin-keys", environment: "MASSIF_PLUGIN_KEYS",
    defaultValue: nil,
    about: "whose signature a plugin needs: a public key, or a directory of them (NAME.pem)")
  static let pluginDirectory = Setting(
    key: "plugin_directory", flag: "--plugin-directory", environment: "MASSIF_PLUGIN_DIRECTORY",
    defaultValue: nil,
    about: "plugins to register at the start: NAME.so with NAME.so.manifest; isolated/ for isolated"
  )
  static let trainingSilenceSeconds = Setting(
    key: "training_silence_seconds", flag: "--training-silence-seconds",
    environment: "MASSIF_TRAINING_SILENCE_SECONDS", defaultValue: "1800",
    about: "how long a training may go without a report before it is stopped; 0 for ever")
  static let allowUnsignedPlugins = Setting(
    key: "allow_unsigned_plugins", flag: "--allow-unsigned-plugins",
    environment: "MASSIF_ALLOW_UNSIGNED_PLUGINS", defaultValue: "false",
    about: "load plugins that nobody has signed; for development",
    choices: ["true", "false"])
  static let isolatedMemoryBytes = Setting(
    key: "isolated_memory_bytes", flag: "--isolated-memory-bytes",
    environment: "MASSIF_ISOLATED_MEMORY_BYTES", defaultValue: "2147483648",
    about: "private memory that the worker of an isolated plugin may have; 0: no limit")
  static let maxModelBytes = Setting(
    key: "max_model_bytes", flag: "--max-model-bytes", environment: "MASSIF_MAX_MODEL_BYTES",
    defaultValue: "4294967296",
    about: "the memory that one loaded model may take by its plugin's estimate")
  static let maxTrainingBytes = Setting(
    key: "max_training_bytes", flag: "--max-training-bytes",
    environment: "MASSIF_MAX_TRAINING_BYTES", defaultValue: "17179869184",
    about: "the memory that one training may take by its plugin's estimate")
  static let isolatedCallSeconds = Setting(
    key: "isolated_call_seconds", flag: "--isolated-call-seconds",
    environment: "MASSIF_ISOLATED_CALL_SECONDS", defaultValue: "30",
    about: "the longest that a call of an isolated plugin may take before its worker is ended")

  /// The settings of `massif serve`, but for the certificates, which clients have too.
  static let serve: [Setting] =
    [
      .listen, .dataDirectory, .trustDomain, .administratorTeams, .threads, .concurrentJobs,
      .trainingThreads, .trainingSilenceSeconds, .maxMessageBytes, .accessLog, .accessLogFile,
      .metrics, .metricsListen, .logLevel, .drainSeconds,
      .pluginKeys, .pluginDirectory, .allowUnsignedPlugins, .isolatedMemoryBytes,
      .isolatedCallSeconds, .maxModelBytes, .maxTrainingBytes,
    ] + connections
}
