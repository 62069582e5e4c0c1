// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Logging
internal import ModelPlugins
internal import RPCServer

/// The settings of a server, read and checked.
struct ServeSettings {
  let host: String
  let port: Int
  let certificates: String
  let dataDirectory: String
  let trustDomain: String
  let administratorTeams: Set<String>
  let threads: Int
  let concurrentJobs: Int
  let trainingThreads: Int
  let maxMessageBytes: Int
  let accessLogging: ServerConfiguration.AccessLogging
  /// Nil: the server's log.
  let accessLogFile: String?
  let measuresCalls: Bool
  let plainMetrics: (host: String, port: Int)?
  let logLevel: Logger.Level
  let drain: Duration
  let pluginKeys: TrustedPluginKeys
  let pluginDirectory: String
  let maxTrainingSilence: Duration?
  let allowsUnsignedPlugins: Bool
  let isolation: IsolationConfiguration
  let maxModelBytes: Int
  let maxTrainingBytes: Int
  let connections: ServeConnectionSettings

  init(_ options: ServeOptions) throws(CommandError) {
    let settings = try options.file.settings()
    func value(_ setting: Setting) throws(CommandError) -> String {
      try settings.effective(setting, flag: options.flag(setting)).value ?? ""
    }
    func number(_ setting: Setting, _ range: ClosedRange<Int>) throws(CommandError) -> Int {
      try setting.number(in: range, try value(setting))
    }
    func address(_ setting: Setting) throws(CommandError) -> (host: String, port: Int)? {
      let text = try value(setting)
      guard !text.isEmpty else { return nil }
      guard let colon = text.lastIndex(of: ":"),
        let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port)
      else {
        throw CommandError(
          setting.flag, expected: "ADDRESS:PORT", came: "\"\(text)\"", hint: setting.about)
      }
      return (text[..<colon].trimmingCharacters(in: ["[", "]"]), port)
    }
    guard let listen = try address(.listen) else {
      throw CommandError("--listen", expected: "ADDRESS:PORT", came: "\"\"")
    }
    host = listen.host
    port = listen.port
    certificates = try value(.certificates)
    connections = try ServeConnectionSettings(certificates: certificates, value)
    // Absolute, because workers and plugins are told paths in it.
    dataDirectory = URL(filePath: try value(.dataDirectory)).standardizedFileURL.path
    trustDomain = try value(.trustDomain)
    administratorTeams = Set(try value(.administratorTeams).split(separator: ",").map(String.init))
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let threads = try number(.threads, 0...1024)
    self.threads = threads == 0 ? cores : threads
    concurrentJobs = try number(.concurrentJobs, 1...256)
    let trainingThreads = try number(.trainingThreads, 0...1024)
    self.trainingThreads = trainingThreads == 0 ? cores : trainingThreads
    maxMessageBytes = try number(.maxMessageBytes, 1024...(1 << 31))
    accessLogging =
      switch try value(.accessLog) {
      case "off": .off
      case "everything": .everything
      default: .controlPlane
      }
    let file = try value(.accessLogFile)
    accessLogFile = file.isEmpty ? nil : URL(filePath: file).standardizedFileURL.path
    measuresCalls = try value(.metrics) == "on"
    plainMetrics = try address(.metricsListen)
    logLevel = Logger.Level(rawValue: try value(.logLevel)) ?? .info
    drain = .seconds(try number(.drainSeconds, 0...86_400))
    pluginDirectory = try value(.pluginDirectory)
    let silence = try number(.trainingSilenceSeconds, 0...604_800)
    maxTrainingSilence = silence == 0 ? nil : .seconds(silence)
    let keys = try value(.pluginKeys)
    do throws(PluginError) {
      pluginKeys = try keys.isEmpty ? TrustedPluginKeys() : TrustedPluginKeys(path: keys)
    } catch {
      throw CommandError(
        "--plugin-keys: \(error.message)", hint: "`massif plugins keygen` makes a key pair")
    }
    allowsUnsignedPlugins = try value(.allowUnsignedPlugins) == "true"
    var isolation = IsolationConfiguration()
    isolation.maxMemoryByteCount = try number(.isolatedMemoryBytes, 0...(1 << 46))
    isolation.callTimeout = .seconds(try number(.isolatedCallSeconds, 1...86_400))
    self.isolation = isolation
    maxModelBytes = try number(.maxModelBytes, 1...(1 << 46))
    maxTrainingBytes = try number(.maxTrainingBytes, 1...(1 << 46))
  }
}
