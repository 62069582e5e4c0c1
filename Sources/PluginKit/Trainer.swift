// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A training run; one call at a time, not always on the same thread.
///
/// The same configuration, seed, data and instruction set give the same bits, across any number of
/// checkpoints and restores.
public protocol Trainer: AnyObject {
  /// How many epochs the configuration asks for.
  var epochCount: Int { get }
  /// Samples of an epoch.
  var sampleCount: Int { get }
  /// Steps of an epoch.
  var stepCount: Int { get }

  /// Trains epoch `epoch`, counted from 1, and returns its metrics.
  func trainEpoch(_ epoch: Int, progress: Progress) throws -> [Metric]
  /// Trains step `step`, from 0, of an epoch; by default `.unimplemented`.
  func trainStep(_ step: Int, epoch: Int, progress: Progress) throws -> [Metric]
  /// Whether `partialFit` is offered; by default not. Versions then keep their last checkpoint, so
  /// that jobs can continue them.
  var supportsPartialFit: Bool { get }
  /// Goes on learning from further samples; by default `.unimplemented`.
  ///
  /// The data set is lent for the call.
  func partialFit(_ dataset: [Tensor], progress: Progress) throws -> [Metric]
  /// Measures the model on a split; by default `.unimplemented`.
  func evaluate(split: String, progress: Progress) throws -> [Metric]
  /// Writes all that `restore` needs; between epochs.
  func checkpoint(to writer: Writer) throws
  /// Takes up a checkpoint and returns how many epochs it had completed.
  func restore(from artifacts: [Artifact]) throws -> Int
  /// Writes the artifacts that `makeModel` makes a model of.
  func export(to writer: Writer) throws
}

extension Trainer {
  /// Not offered.
  public func trainStep(_ step: Int, epoch: Int, progress: Progress) throws -> [Metric] {
    throw PluginFailure(.unimplemented, "this plugin trains whole epochs only")
  }
  /// Not offered.
  public var supportsPartialFit: Bool { false }
  /// Not offered.
  public func partialFit(_ dataset: [Tensor], progress: Progress) throws -> [Metric] {
    throw PluginFailure(.unimplemented, "this plugin does not go on learning")
  }
  /// Not offered.
  public func evaluate(split: String, progress: Progress) throws -> [Metric] {
    throw PluginFailure(.unimplemented, "this plugin does not evaluate")
  }
}

/// One measurement.
public struct Metric: Sendable, Hashable {
  /// The name, such as `loss` or `accuracy`.
  public var name: String
  /// Its value.
  public var value: Double

  /// Makes a metric.
  public init(_ name: String, _ value: Double) {
    self.name = name
    self.value = value
  }
}

/// Where a call of a trainer reports to; valid until it returns.
public struct Progress {
  let table: UnsafePointer<msf_progress>

  /// Says how far the call has come; cheap enough for every step.
  ///
  /// - Throws: `.cancelled` when the run shall stop: let it through.
  public func report(samplesDone: Int, _ metrics: [Metric]) throws {
    let goesOn = metrics.withMSFMetrics {
      table.pointee.report(table, UInt64(samplesDone), $0.baseAddress, UInt32($0.count))
    }
    guard goesOn else { throw PluginFailure(.cancelled, "training was cancelled") }
  }

  /// Whether the run shall stop.
  public var isCancelled: Bool { table.pointee.is_cancelled(table) }

  func finish(_ metrics: [Metric]) {
    metrics.withMSFMetrics { table.pointee.finish(table, $0.baseAddress, UInt32($0.count)) }
  }
}

/// Takes the artifacts of a checkpoint or of a model; valid until the call returns.
public struct Writer {
  let table: UnsafePointer<msf_writer>

  /// Appends to the artifact `name`, which the first call begins.
  ///
  /// - Throws: what the host reports: let it through.
  public func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
    let status = name.withMSFString {
      table.pointee.write(table, $0, bytes.baseAddress, bytes.count)
    }
    guard status == msf_status(MSF_OK) else {
      throw PluginFailure(
        PluginFailure.Code(rawValue: status) ?? .unknown, "artifact \(name) was not taken")
    }
  }
}

extension [Metric] {
  /// Lends the metrics to the host for the call.
  fileprivate func withMSFMetrics<Result>(
    _ body: (UnsafeBufferPointer<msf_metric>) -> Result
  ) -> Result {
    // The names go into one buffer: nesting a closure for each would need one stack frame a metric.
    let names = flatMap { Array<CChar>($0.name.utf8.map(CChar.init(bitPattern:))) }
    return names.withUnsafeBufferPointer { names in
      var offset = 0
      let metrics = map { metric -> msf_metric in
        let size = metric.name.utf8.count
        defer { offset += size }
        return msf_metric(
          name: msf_string(data: names.baseAddress.map { $0 + offset }, size: size),
          value: metric.value)
      }
      return metrics.withUnsafeBufferPointer(body)
    }
  }
}
