// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// Tensors in the form in which C sees them, names and shapes included, at addresses that never
/// move.
final class CTensors: @unchecked Sendable {
  // SAFETY: names and shapes are written in `init` alone; the table is lent to one call at a time,
  // or only read.
  let tensors: UnsafeMutableBufferPointer<msf_tensor>
  private let names: UnsafeMutableBufferPointer<CChar>
  private let extents: UnsafeMutableBufferPointer<Int64>

  /// Describes tensors, with their bytes if there are any.
  init(_ specifications: [TensorSpecification], bytes: [UnsafeRawBufferPointer]? = nil) {
    let utf8 = specifications.map { Array($0.name.utf8) }
    names = .allocate(capacity: max(1, utf8.reduce(0) { $0 + $1.count }))
    extents = .allocate(capacity: max(1, specifications.reduce(0) { $0 + $1.shape.count }))
    tensors = .allocate(capacity: max(1, specifications.count))
    tensors.initialize(repeating: msf_tensor())
    var nextName = 0
    var nextExtent = 0
    for (index, specification) in specifications.enumerated() {
      for (offset, byte) in utf8[index].enumerated() {
        names[nextName + offset] = CChar(bitPattern: byte)
      }
      for (axis, extent) in specification.shape.enumerated() {
        extents[nextExtent + axis] = Int64(extent)
      }
      tensors[index] = msf_tensor(
        name: msf_string(data: names.baseAddress?.advanced(by: nextName), size: utf8[index].count),
        data_type: specification.datatype.msf, rank: UInt32(specification.shape.count),
        shape: extents.baseAddress?.advanced(by: nextExtent),
        bytes: bytes?[index].baseAddress, byte_count: bytes?[index].count ?? 0)
      nextName += utf8[index].count
      nextExtent += specification.shape.count
    }
  }

  deinit {
    tensors.deallocate()
    extents.deallocate()
    names.deallocate()
  }
}

/// A data set in the form in which C sees it; keeps the view, and with it the bytes, alive.
final class CDataSet: @unchecked Sendable {
  // SAFETY: written in `init` alone.
  let table: UnsafeMutablePointer<msf_dataset>
  private let tensors: CTensors
  private let view: DataSetView?

  /// Lends the description alone.
  convenience init(_ description: DataSetDescription) {
    self.init(tensors: CTensors(description.tensors), count: description.tensors.count, view: nil)
  }

  /// Lends the description and the bytes.
  convenience init(_ view: DataSetView) {
    let specifications = view.description.tensors
    self.init(
      tensors: CTensors(specifications, bytes: view.bytes), count: specifications.count, view: view)
  }

  private init(tensors: CTensors, count: Int, view: DataSetView?) {
    self.tensors = tensors
    self.view = view
    table = .allocate(capacity: 1)
    table.initialize(
      to: msf_dataset(
        struct_size: UInt32(MemoryLayout<msf_dataset>.size), tensor_count: UInt32(count),
        tensors: tensors.tensors.baseAddress))
  }

  deinit {
    table.deallocate()
  }
}

/// Artifacts in the form in which C sees them; keeps them alive.
final class CArtifacts: @unchecked Sendable {
  // SAFETY: written in `init` alone.
  let table: UnsafeMutableBufferPointer<msf_artifact>
  private let names: CTensors
  private let artifacts: [Artifact]

  init(_ artifacts: [Artifact]) {
    self.artifacts = artifacts
    names = CTensors(
      artifacts.map { TensorSpecification(name: $0.name, datatype: .uint8, shape: []) })
    table = .allocate(capacity: max(1, artifacts.count))
    table.initialize(repeating: msf_artifact())
    for (index, artifact) in artifacts.enumerated() {
      table[index] = msf_artifact(
        name: names.tensors[index].name, bytes: artifact.bytes.baseAddress,
        byte_count: artifact.bytes.count)
    }
  }

  deinit {
    table.deallocate()
  }
}
