// SPDX-License-Identifier: Apache-2.0
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store

extension ModelService {
  /// Samples of a calibration that does not ask for a number, and the most that one may ask for.
  private static let (defaultSamples, maxSamples): (UInt64, UInt64) = (1024, 16384)

  /// Makes a version in a narrower type.
  func quantize(
    _ request: Massif_V1_QuantizeModelRequest, _ context: CallContext
  ) async throws -> Massif_V1_ModelVersion {
    let name = try find(request.name, .write, context)
    let type: QuantizationType
    switch request.type {
    case .bf16: type = .bf16
    case .int8: type = .int8
    default: throw RPCError.invalidArgument("type", "expected BF16 or INT8")
    }
    let samples = request.maxSamples == 0 ? Self.defaultSamples : request.maxSamples
    guard samples <= Self.maxSamples else {
      throw RPCError.invalidArgument(
        "max_samples", "expected at most \(Self.maxSamples), came \(samples)")
    }
    let calibration = try dataset(request.calibration, context)
    let source = try version(request.version, of: name)
    let record = try await calibrations.run(true) { [publisher] in
      try await offload {
        try publisher.quantize(
          source, to: type, calibration: calibration, maxSamples: Int(samples),
          createdBy: context.principal.spiffeID
        ) { context.deadline.map { $0 <= .now } ?? false }
      }
    }
    let made = "version \(record.version) of version \(source.version) in \(type.rawValue)"
    log.info("\(name): \(made) made by \(context.principal)")
    return message(record)
  }

  /// The data set of a calibration, which the caller may read; nil for none.
  private func dataset(_ text: String, _ context: CallContext) throws -> DataSetRecord? {
    guard !text.isEmpty else { return nil }
    let name = try context.qualifiedName(text, field: "calibration")
    try context.require(.read, "data set", name)
    guard let record = try store.dataset(name) else { throw RPCError.notFound("data set", name) }
    return record
  }
}
