// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import TestSupport
import Testing

@testable import massif

struct NPYFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func read(_ bytes: [UInt8]) throws -> ImportedTensor {
    let path = directory.file("x.npy")
    try Data(bytes).write(to: URL(filePath: path))
    return try NPYFile.read(path, as: "train/images")
  }

  private func npy(_ header: String, _ elements: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let text = Array(header.utf8)
    let length = UInt32(text.count)
    let lengthBytes: [UInt8] = [
      UInt8(length & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length >> 16 & 0xFF),
      UInt8(length >> 24),
    ]
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + lengthBytes.prefix(version == 1 ? 2 : 4)
      + text + elements
  }

  /// Byte for byte what `numpy.save` of numpy 2.2 writes for `arange(6, dtype='<f4').reshape(2,
  /// 3)`.
  @Test func readsWhatNumPyWrites() throws {
    let header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
      + String(repeating: " ", count: 58) + "\n"
    let values: [Float] = [0, 1, 2, 3, 4, 5]
    let file = npy(header, values.withUnsafeBytes { Array($0) })
    #expect(file.count == 128 + 24)
    let tensor = try read(file)
    #expect(tensor.datatype == .fp32)
    #expect(tensor.shape == [2, 3])
    #expect(tensor.bytes == values.withUnsafeBytes { Array($0) })
  }

  @Test(
    arguments: [
      ("|b1", DataType.bool, 1), ("|u1", .uint8, 1), ("<u2", .uint16, 2), ("<u4", .uint32, 4),
      ("<u8", .uint64, 8), ("|i1", .int8, 1), ("<i2", .int16, 2), ("<i4", .int32, 4),
      ("<i8", .int64, 8), ("<f2", .fp16, 2), ("<f4", .fp32, 4), ("<f8", .fp64, 8),
    ] as [(String, DataType, Int)])
  func readsEveryType(descr: String, type: DataType, size: Int) throws {
    let bytes = (0..<UInt8(size * 2)).map { $0 }
    let header = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (2,)}"
    for version: UInt8 in [1, 2, 3] {
      let tensor = try read(npy(header, bytes, version: version))
      #expect(tensor.datatype == type)
      #expect(tensor.bytes == bytes)
    }
  }

  @Test func turnsBigEndianElements() throws {
    let header = "{'shape': (1,), 'fortran_order': False, 'descr': '>i4'}"
    #expect(try read(npy(header, [0, 0, 0, 7])).bytes == [7, 0, 0, 0])
  }

  @Test(arguments: [
    ("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", "fortran_order"),
    ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "descr"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "descr"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "shape"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2)}", "shape"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "byte 61"),
    ("{'descr': '<f4', 'fortran_order': False}", "byte 50"),
    ("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "byte 41"),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "byte 20"),
    ("{'evil': __import__('os'), 'shape': (1,)}", "byte 18"),
    ("{'descr': '<f4", "byte 20"), ("", "byte 10"), ("{", "byte 11"),
  ])
  func refusesMalformedHeaders(header: String, field: String) {
    let error = #expect(throws: CommandError.self) { try read(npy(header, [0, 0, 0, 0])) }
    #expect(error?.field == field)
  }

  @Test func refusesWrongSizes() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"
    for count in [7, 9] {
      #expect(throws: CommandError.self) {
        try read(npy(header, [UInt8](repeating: 0, count: count)))
      }
    }
    #expect(throws: CommandError.self) { try read([0x93]) }
    #expect(throws: CommandError.self) { try read(Array("PK\u{3}\u{4}12345678".utf8)) }
    #expect(throws: CommandError.self) { try read(npy(header, [], version: 9)) }
    let long = npy(String(repeating: " ", count: 20_000), [], version: 2)
    #expect(throws: CommandError.self) { try read(long) }
  }

  @Test func survivesEveryCut() throws {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
    let whole = npy(header, [0, 0, 0, 0])
    for count in 0..<whole.count {
      #expect(throws: CommandError.self) { try read(Array(whole[..<count])) }
    }
  }
}
