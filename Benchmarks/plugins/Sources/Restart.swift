// SPDX-License-Identifier: Apache-2.0
import Glibc
import ModelPlugins
import Runtime

/// From the crash of an isolated plugin to its next good answer.
struct Restart {
  private let model: PluginModel
  private let registry: PluginRegistry
  private let rounds: Int

  init(probe path: String, rounds: Int) throws {
    self.rounds = rounds
    registry = try makeRegistry()
    model = try registry.load(PluginImage(path: path), isolation: .isolated)
      .makeModel(artifacts: [], configuration: "{}")
  }

  func measure() throws {
    var times: [Int64] = []
    for _ in 0..<rounds {
      guard answer(1) == 2 else { throw PluginError(.internal, "the probe does not answer") }
      guard answer(-666) == nil else { throw PluginError(.internal, "the probe does not crash") }
      let crash = nanoseconds()
      while answer(1) == nil { usleep(200) }
      times.append(nanoseconds() - crash)
    }
    report("restart", ours: times.median / 1e6, bound: 300, unit: "ms", rounds: rounds)
  }

  private func answer(_ value: Float) -> Float? {
    let execution = model.makeExecution()
    return withUnsafeBytes(of: value) { bytes in
      execution.setInput(0, datatype: .fp32, shape: [1], bytes: bytes, owner: nil)
      guard (try? model.execute(execution)) != nil else { return nil }
      return execution.output(0).bytes.loadUnaligned(as: Float.self)
    }
  }
}

/// The resident memory of a worker with the identity plugin, one model and some calls behind it.
struct WorkerMemory {
  private let model: PluginModel
  private let registry: PluginRegistry

  init(identity path: String) throws {
    registry = try makeRegistry()
    model = try registry.load(PluginImage(path: path), isolation: .isolated)
      .makeModel(artifacts: [], configuration: #"{"datatype":"FP32","shape":[16]}"#)
  }

  func measure() throws {
    let before = Set(Self.workers())
    let values = [Float](repeating: 1, count: 16)
    let execution = model.makeExecution()
    try values.withUnsafeBytes { bytes in
      execution.setInput(0, datatype: .fp32, shape: [16], bytes: bytes, owner: nil)
      for _ in 0..<100 { try model.execute(execution) }
    }
    // The newest worker is the identity's: those of the other benchmarks came before it.
    guard let worker = before.max() else {
      throw PluginError(.notFound, "no worker process is to be seen")
    }
    let status = Self.status(of: worker)
    func megabytes(_ field: String) -> Double { Double(status[field] ?? 0) * 1024 / 1e6 }
    report(
      "worker_memory", ours: megabytes("VmRSS"), bound: 15, unit: "MB", rounds: 1,
      note: "VmRSS: \(megabytes("RssAnon")) private, \(megabytes("RssFile")) of files,"
        + " \(megabytes("RssShmem")) shared with the host")
  }

  /// The children of this process.
  private static func workers() -> [pid_t] {
    let me = getpid()
    let tasks = text(of: "/proc/\(me)/task/\(me)/children")
    var all = tasks.split(separator: " ").compactMap { pid_t($0) }
    guard let directory = opendir("/proc/\(me)/task") else { return all }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let thread = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let children = text(of: "/proc/\(me)/task/\(thread)/children")
      all += children.split(separator: " ").compactMap { pid_t($0) }
    }
    return all
  }

  /// The fields of /proc/PID/status that are sizes, in KiB.
  private static func status(of process: pid_t) -> [String: Int] {
    var fields: [String: Int] = [:]
    for line in text(of: "/proc/\(process)/status").split(separator: "\n") {
      let parts = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
      if parts.count == 3, parts[2] == "kB" { fields[String(parts[0])] = Int(parts[1]) }
    }
    return fields
  }

  private static func text(of path: String) -> String {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}
