// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import ModelPlugins
import RPCServer
import Runtime
import Store

/// The control methods of `inference.GRPCInferenceService`: bytes in, bytes out, so that they can
/// be tested without a transport.
///
/// `ModelInfer` is `InferHandler`, the repository is `RepositoryService`.
struct InferenceService: Sendable {
  static let name = "inference.GRPCInferenceService"

  /// What clients may rely on beyond the protocol's core, in Triton's words.
  private static let extensions = [
    "model_repository", "model_configuration", "statistics", "binary_tensor_data",
  ]

  let manager: ModelManager
  let configuration: ServingConfiguration

  func serverLive() -> [UInt8] {
    var response = WireWriter()
    response.bool(1, true)
    return response.bytes
  }

  func serverReady() -> [UInt8] {
    var response = WireWriter()
    response.bool(1, manager.isReady)
    return response.bytes
  }

  func serverMetadata() -> [UInt8] {
    var response = WireWriter()
    response.string(1, configuration.serverName)
    response.string(2, configuration.serverVersion)
    for name in Self.extensions { response.element(3, name) }
    return response.bytes
  }

  /// A model that is loading, unloading, failed, not deployed or unknown is not ready, as Triton has
  /// it: its clients ask for this in a loop, without expecting an error.
  func modelReady(
    _ bytes: UnsafeRawBufferPointer, _ caller: Caller
  ) throws(ServingError) -> [UInt8] {
    let (name, version) = try DecodedMessage.with(
      bytes, as: "ModelReadyRequest", inference__model_ready_request__unpack
    ) { (String(field: $0.name), String(field: $0.version)) }
    var response = WireWriter()
    do throws(ServingError) {
      let served = try manager.version(named: name, version: version, for: caller, .read)
      response.bool(1, manager.isReady && served.loaded.model.isAvailable)
    } catch {
      let means: Set<ServingError.Code> = [.unavailable, .failedPrecondition, .notFound]
      guard means.contains(error.code) else { throw error }
      response.bool(1, false)
    }
    return response.bytes
  }

  func modelMetadata(
    _ bytes: UnsafeRawBufferPointer, _ caller: Caller
  ) throws(ServingError) -> [UInt8] {
    let (name, version) = try DecodedMessage.with(
      bytes, as: "ModelMetadataRequest", inference__model_metadata_request__unpack
    ) { (String(field: $0.name), String(field: $0.version)) }
    let served = try manager.version(named: name, version: version, for: caller, .read)
    let signature = served.loaded.signature
    var response = WireWriter()
    response.string(1, name)
    for version in manager.readyVersions(of: served.model) {
      response.element(2, String(version))
    }
    response.string(3, served.platform)
    for input in signature.inputs {
      response.message(4) {
        $0.tensor(input.name, input.datatype, input.extents, batched: signature.isBatched)
      }
    }
    for output in signature.outputs {
      response.message(5) {
        $0.tensor(output.name, output.datatype, output.extents, batched: signature.isBatched)
      }
    }
    return response.bytes
  }

  func modelConfig(
    _ bytes: UnsafeRawBufferPointer, _ caller: Caller
  ) throws(ServingError) -> [UInt8] {
    let (name, version) = try DecodedMessage.with(
      bytes, as: "ModelConfigRequest", inference__model_config_request__unpack
    ) { (String(field: $0.name), String(field: $0.version)) }
    let served = try manager.version(named: name, version: version, for: caller, .read)
    let versions = manager.readyVersions(of: served.model)
    var response = WireWriter()
    response.message(1) { $0.modelConfig(name: name, served, versions: versions) }
    return response.bytes
  }

  /// Every ready version that the caller may read, or those of one model.
  func modelStatistics(
    _ bytes: UnsafeRawBufferPointer, _ caller: Caller
  ) throws(ServingError) -> [UInt8] {
    let (name, version) = try DecodedMessage.with(
      bytes, as: "ModelStatisticsRequest", inference__model_statistics_request__unpack
    ) { (String(field: $0.name), String(field: $0.version)) }
    var served = manager.listing(for: caller).compactMap(\.served)
    if !name.isEmpty {
      let one = try manager.version(named: name, version: version, for: caller, .read)
      served = served.filter {
        $0.model == one.model && (version.isEmpty || $0.version == one.version)
      }
    }
    var response = WireWriter()
    for each in served {
      response.message(1) {
        $0.modelStatistics(name: name.isEmpty ? each.model.description : name, each)
      }
    }
    return response.bytes
  }
}

extension ServedVersion {
  /// The family of the model, as `ModelMetadata` has it.
  var platform: String { "massif_\(manifest.plugin)" }
}

extension WireWriter {
  /// `ModelMetadataResponse.TensorMetadata`.
  fileprivate mutating func tensor(
    _ name: String, _ datatype: DataType, _ extents: [Int64], batched: Bool
  ) {
    string(1, name)
    string(2, datatype.rawValue)
    packed(3, (batched ? [-1] : []) + extents)
  }
}
