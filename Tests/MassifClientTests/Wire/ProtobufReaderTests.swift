// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MassifClient

struct ProtobufReaderTests {
  private func fields(_ bytes: [UInt8]) throws -> [(Int, String)] {
    try bytes.withUnsafeBytes { buffer in
      var reader = ProtobufReader(buffer)
      var fields: [(Int, String)] = []
      while let field = try reader.next() { fields.append((field.number, "\(field.value)")) }
      return fields
    }
  }

  @Test func readsEveryWireType() throws {
    let bytes: [UInt8] = [
      0x08, 0x96, 0x01,  // 1: varint 150
      0x12, 0x02, 0x61, 0x62,  // 2: "ab"
      0x1D, 1, 0, 0, 0,  // 3: fixed32 1
      0x21, 2, 0, 0, 0, 0, 0, 0, 0,  // 4: fixed64 2
    ]
    let fields = try fields(bytes)
    #expect(fields.map(\.0) == [1, 2, 3, 4])
    #expect(fields.map(\.1) == ["varint(150)", "bytes(Range(5..<7))", "fixed32(1)", "fixed64(2)"])
  }

  @Test func readsTheLargestVarint() throws {
    let fields = try fields([0x08] + Array(repeating: 0xFF, count: 9) + [0x01])
    #expect(fields.map(\.1) == ["varint(\(UInt64.max))"])
  }

  @Test(
    arguments: [
      [0x08],  // a tag without its value
      [0x08, 0x80],  // a varint that goes on
      [0x12, 0x05, 0x61],  // a length above what is there
      [0x12] + Array(repeating: 0xFF, count: 9) + [0x01],  // a length of 2^64 - 1
      [0x08] + Array(repeating: 0x80, count: 11),  // a varint without end
      [0x1D, 1, 0],  // fixed32 cut short
      [0x0B],  // a group, which proto3 does not have
      [0x00],  // field number 0
    ] as [[UInt8]])
  func refusesMalformedBytes(bytes: [UInt8]) {
    #expect(throws: ProtobufReader.Malformed.self) { try fields(bytes) }
  }
}
