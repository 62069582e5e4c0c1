// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// Header fields that are put together to be sent once; nghttp2 copies them.
struct HeaderBlock {
  private var bytes: [UInt8] = []
  private var fields: [(start: Int, nameCount: Int, valueCount: Int)] = []

  /// Adds a field with a text value.
  mutating func add(_ name: StaticString, _ value: String) {
    let start = bytes.count
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    bytes.append(contentsOf: value.utf8)
    close(start, nameCount: name.utf8CodeUnitCount)
  }

  /// Adds a field with a value in bytes that are legal in a header.
  mutating func add(_ name: StaticString, _ value: [UInt8]) {
    let start = bytes.count
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    bytes.append(contentsOf: value)
    close(start, nameCount: name.utf8CodeUnitCount)
  }

  /// Adds custom metadata.
  ///
  /// Reserved names, which only received metadata can hold, are left out.
  mutating func add(_ metadata: Metadata) {
    for entry in metadata where !Metadata.isReserved(entry.key) {
      let start = bytes.count
      bytes.append(contentsOf: entry.key.utf8)
      switch entry.value {
      case .string(let text): bytes.append(contentsOf: text.utf8)
      case .binary(let value): bytes.append(contentsOf: HeaderCoding.base64(value))
      }
      close(start, nameCount: entry.key.utf8.count)
    }
  }

  private mutating func close(_ start: Int, nameCount: Int) {
    fields.append((start, nameCount, bytes.count - start - nameCount))
  }

  /// Calls `body` with the fields as nghttp2 takes them; they are valid during the call only.
  mutating func withFields<R>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
    let fields = self.fields
    return bytes.withUnsafeMutableBufferPointer { bytes in
      let list = fields.map { field in
        nghttp2_nv(
          name: bytes.baseAddress.map { $0 + field.start },
          value: bytes.baseAddress.map { $0 + field.start + field.nameCount },
          namelen: field.nameCount, valuelen: field.valueCount,
          flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
      }
      return list.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
    }
  }
}

/// Header blocks that never change; nghttp2 is told not to copy them.
enum StaticHeaders {
  // SAFETY: written once here and only read by nghttp2, whose field type is not declared const.
  nonisolated(unsafe) static let response = make([
    (":status", "200"), ("content-type", "application/grpc"),
  ])
  nonisolated(unsafe) static let successTrailers = make([("grpc-status", "0")])

  private static func make(
    _ fields: [(StaticString, StaticString)]
  ) -> UnsafeBufferPointer<nghttp2_nv> {
    let flags = UInt8(
      NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
    let list = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: fields.count)
    _ = list.initialize(
      from: fields.map { name, value in
        nghttp2_nv(
          name: UnsafeMutablePointer(mutating: name.utf8Start),
          value: UnsafeMutablePointer(mutating: value.utf8Start),
          namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount, flags: flags)
      })
    return UnsafeBufferPointer(list)
  }
}
