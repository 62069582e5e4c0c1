// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

extension String {
  /// Lends the text to C for the call.
  func withMSFString<Result, Failure: Error>(
    _ body: (msf_string) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Typed throws do not pass through `withUTF8`, so a result carries the error across it.
    var text = self
    let result = text.withUTF8 { utf8 -> Swift.Result<Result, Failure> in
      utf8.withMemoryRebound(to: CChar.self) { bytes in
        do throws(Failure) {
          return .success(try body(msf_string(data: bytes.baseAddress, size: bytes.count)))
        } catch {
          return .failure(error)
        }
      }
    }
    return try result.get()
  }

  /// Copies text that a plugin lends, at most `limit` bytes of it; invalid UTF-8 is repaired.
  ///
  /// Nil when it points nowhere.
  init?(_ text: msf_string, limit: Int) {
    guard text.size > 0 else {
      self = ""
      return
    }
    guard let data = text.data else { return nil }
    let bytes = UnsafeRawBufferPointer(start: data, count: Swift.min(text.size, limit))
    self.init(decoding: bytes, as: UTF8.self)
  }
}

extension DataType {
  /// The number of this type in the ABI.
  var msf: msf_data_type {
    switch self {
    case .bool: msf_data_type(MSF_BOOL)
    case .uint8: msf_data_type(MSF_UINT8)
    case .uint16: msf_data_type(MSF_UINT16)
    case .uint32: msf_data_type(MSF_UINT32)
    case .uint64: msf_data_type(MSF_UINT64)
    case .int8: msf_data_type(MSF_INT8)
    case .int16: msf_data_type(MSF_INT16)
    case .int32: msf_data_type(MSF_INT32)
    case .int64: msf_data_type(MSF_INT64)
    case .fp16: msf_data_type(MSF_FP16)
    case .bf16: msf_data_type(MSF_BF16)
    case .fp32: msf_data_type(MSF_FP32)
    case .fp64: msf_data_type(MSF_FP64)
    case .bytes: msf_data_type(MSF_BYTES)
    }
  }

  /// The types in the order of the ABI, which starts at 1; a test compares them one by one.
  private static let abiOrder = Array(allCases)

  /// The type of a number of the ABI; nil for a number that is none.
  init?(msf: msf_data_type) {
    let types = Self.abiOrder
    guard (1...Int32(types.count)).contains(msf) else { return nil }
    self = types[Int(msf) - 1]
  }
}

extension PluginError.Code {
  /// The code of a failing status; `.unknown` for a number that is no status.
  init(status: msf_status) {
    self = PluginError.Code(rawValue: Int(status)) ?? .unknown
  }

  /// The status of this code.
  var status: msf_status { msf_status(rawValue) }
}

extension TensorSpecification {
  /// Copies a description that a plugin gives; nil when it is impossible.
  init?(_ tensor: msf_tensor) {
    guard let name = String(tensor.name, limit: 257),
      let datatype = DataType(msf: tensor.data_type),
      tensor.rank <= UInt32(PluginExecution.maxRank), tensor.rank == 0 || tensor.shape != nil
    else { return nil }
    let extents = UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank))
    self.init(name: name, datatype: datatype, shape: extents.map(Int.init))
  }
}

/// Reads a table that may be shorter or longer than the one that this host knows: what is missing
/// at its end is zero, what is beyond is left alone.
func readTable<Table>(_ table: UnsafePointer<Table>, byteCount: UInt32, into blank: Table) -> Table
{
  var copy = blank
  withUnsafeMutableBytes(of: &copy) { destination in
    let count = min(Int(byteCount), destination.count)
    destination.copyMemory(from: UnsafeRawBufferPointer(start: table, count: count))
  }
  return copy
}
