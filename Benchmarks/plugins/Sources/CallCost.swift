// SPDX-License-Identifier: Apache-2.0
import Glibc
import ModelPlugins
import Runtime

/// The cost of a call across the boundary, in process and isolated, at the median.
struct CallCost {
  private let rounds: Int
  private let inProcess: PluginModel
  private let isolated: PluginModel
  private let bare:
    @convention(c) (UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void

  /// Two builds of one registry may not share a digest, so each side has a registry.
  private let registries: [PluginRegistry]

  init(probe path: String, rounds: Int) throws {
    self.rounds = rounds
    let near = try makeRegistry()
    let far = try makeRegistry()
    registries = [near, far]
    inProcess = try near.load(PluginImage(path: path))
      .makeModel(artifacts: [], configuration: "{}")
    isolated = try far.load(PluginImage(path: path), isolation: .isolated)
      .makeModel(artifacts: [], configuration: "{}")
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL),
      let symbol = dlsym(library, "probe_bare")
    else { throw PluginError(.notFound, "\(path) has no probe_bare") }
    bare = unsafeBitCast(symbol, to: type(of: bare))
  }

  func measure() throws {
    let small = [Float](repeating: 1, count: 16)
    let large = [Float](repeating: 1, count: 602_112 / 4)
    try measureABI(small)
    try compare("isolated_small", small, bound: 25, calls: 400)
    try compare("isolated_large", large, bound: 60, calls: 100)
  }

  /// Nanoseconds of one call within a loop of many: a clock is read as slowly as a call is made.
  private func measureABI(_ values: [Float]) throws {
    let calls = 20_000
    var across: [Int64] = []
    var alone: [Int64] = []
    let output = UnsafeMutablePointer<Float>.allocate(capacity: values.count)
    defer { output.deallocate() }
    for _ in 0..<rounds {
      across.append(
        try withExecution(of: inProcess, values) { execution in
          let start = nanoseconds()
          for _ in 0..<calls { try inProcess.execute(execution) }
          return nanoseconds() - start
        })
      values.withUnsafeBufferPointer { input in
        let start = nanoseconds()
        for _ in 0..<calls { bare(input.baseAddress, output, input.count) }
        alone.append(nanoseconds() - start)
      }
    }
    let cost = (across.median - alone.median) / Double(calls)
    report("abi_call", ours: cost, bound: 200, unit: "ns", rounds: rounds)
  }

  private func compare(_ name: String, _ values: [Float], bound: Double, calls: Int) throws {
    var near: [Int64] = []
    var far: [Int64] = []
    // Threads, pages and branch predictors at work.
    _ = try times(of: isolated, values, calls: calls)
    _ = try times(of: inProcess, values, calls: calls)
    for _ in 0..<rounds {
      far += try times(of: isolated, values, calls: calls)
      near += try times(of: inProcess, values, calls: calls)
    }
    report(
      name, ours: (far.median - near.median) / 1000, bound: bound, unit: "us", rounds: rounds,
      note: "isolated \(far.median / 1000), in process \(near.median / 1000)")
  }

  private func times(of model: PluginModel, _ values: [Float], calls: Int) throws -> [Int64] {
    try withExecution(of: model, values) { execution in
      var times: [Int64] = []
      times.reserveCapacity(calls)
      for _ in 0..<calls {
        let start = nanoseconds()
        try model.execute(execution)
        times.append(nanoseconds() - start)
      }
      return times
    }
  }

  private func withExecution<Result>(
    of model: PluginModel, _ values: [Float], _ body: (PluginExecution) throws -> Result
  ) throws -> Result {
    let execution = model.makeExecution()
    return try values.withUnsafeBytes { bytes in
      execution.setInput(0, datatype: .fp32, shape: [values.count], bytes: bytes, owner: nil)
      return try body(execution)
    }
  }
}

/// A registry whose isolated plugins are started again at once, however often they crash.
func makeRegistry() throws -> PluginRegistry {
  var isolation = IsolationConfiguration()
  isolation.restartPolicy.healthyAfter = .zero
  return PluginRegistry(workers: try WorkerPool(), isolation: isolation) { _, _ in }
}
