// SPDX-License-Identifier: Apache-2.0
import Glibc
import ModelPlugins
import Runtime

/// `bench-families DATASET.safetensors PLUGIN CONFIGURATION [--threads N] [--seed N] [--export DIR]
/// [--no-evaluation]`: trains one model in this process and prints one JSON line.
///
/// The data set of a family that trains without one is `-`.
///
/// `prepare_seconds` is reading and checking the data, `fit_seconds` all epochs; together they are
/// what a peer's `fit` on arrays in memory is compared with.
@main
struct FamiliesBenchmark {
  static func main() {
    do {
      print(try run(Arguments(CommandLine.arguments)))
    } catch {
      let line = Array("bench-families: \(error)\n".utf8)
      write(STDERR_FILENO, line, line.count)
      exit(1)
    }
  }

  private static func run(_ arguments: Arguments) throws -> String {
    let registry = PluginRegistry(workers: try WorkerPool(threadCount: arguments.threads)) {
      _, _ in
    }
    try registry.registerBuiltIns()
    guard let plugin = registry.plugin(named: arguments.plugin) else {
      throw Usage("there is no plugin \(arguments.plugin)")
    }
    let dataset = arguments.dataset == "-" ? .none : try MappedDataSet(arguments.dataset).view()
    let clock = ContinuousClock()
    let start = clock.now
    let trainer = try plugin.makeTrainer(
      configuration: arguments.configuration, seed: arguments.seed, dataset: dataset)
    let prepared = clock.now
    var metrics: [TrainingMetric] = []
    while trainer.completedEpochs < trainer.epochs {
      metrics = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
    }
    let fitted = clock.now
    let hasTest = dataset.description.tensors.contains { $0.name.hasPrefix("test/") }
    var test: [TrainingMetric] = []
    if (hasTest || !plugin.needsDataSet) && arguments.evaluates {
      do {
        test = try trainer.evaluate(split: "test")
      } catch {
        // A family need not evaluate.
        guard error.code == .unimplemented else { throw error }
      }
    }
    if let directory = arguments.export {
      mkdir(directory, 0o755)
      try trainer.export { name, bytes in
        guard let file = fopen("\(directory)/\(name)", "a") else {
          throw Usage("\(directory)/\(name) cannot be written")
        }
        fwrite(bytes.baseAddress, 1, bytes.count, file)
        fclose(file)
      }
    }
    return """
      {"prepare_seconds":\(seconds(prepared - start)),"fit_seconds":\(seconds(fitted - prepared)),\
      "epochs":\(trainer.completedEpochs),"metrics":\(json(metrics)),"test":\(json(test))}
      """
  }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  private static func json(_ metrics: [TrainingMetric]) -> String {
    let members = metrics.map { "\"\($0.name)\":\($0.value.isFinite ? "\($0.value)" : "null")" }
    return "{\(members.joined(separator: ","))}"
  }
}

/// What the command line says.
private struct Arguments {
  var dataset: String
  var plugin: String
  var configuration: String
  var threads: Int?
  var seed: UInt64 = 0
  var export: String?
  var evaluates = true

  init(_ arguments: [String]) throws {
    guard arguments.count >= 4 else {
      throw Usage("expected DATASET.safetensors PLUGIN CONFIGURATION")
    }
    (dataset, plugin, configuration) = (arguments[1], arguments[2], arguments[3])
    var rest = arguments[4...]
    while let option = rest.popFirst() {
      if option == "--no-evaluation" {
        evaluates = false
        continue
      }
      guard let value = rest.popFirst() else { throw Usage("\(option) needs a value") }
      switch option {
      case "--threads": threads = Int(value)
      case "--seed": seed = UInt64(value) ?? 0
      case "--export": export = value
      default: throw Usage("unknown option \(option)")
      }
    }
  }
}

private struct Usage: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// A data set's file in memory.
private final class MappedDataSet: Sendable {
  // SAFETY: the mapping is read only and lives as long as this object.
  private nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  init(_ path: String) throws {
    let descriptor = open(path, O_RDONLY)
    defer { close(descriptor) }
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0,
      let base = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0),
      base != MAP_FAILED
    else { throw Usage("\(path) cannot be read") }
    bytes = UnsafeRawBufferPointer(start: base, count: Int(status.st_size))
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

  func view() throws -> DataSetView {
    try DataSetView(
      tensors: SafetensorsFile(parsing: bytes).entries.map { entry in
        (
          TensorSpecification(
            name: entry.name, datatype: entry.datatype, shape: entry.shape.dimensions),
          UnsafeRawBufferPointer(rebasing: bytes[entry.range])
        )
      }, owner: self)
  }
}
