// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import TestSupport
import Testing

@testable import massif

struct IDXFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func read(_ bytes: [UInt8]) throws -> ImportedTensor {
    let path = directory.file("x.idx")
    try Data(bytes).write(to: URL(filePath: path))
    return try IDXFile.read(path, as: "train/images")
  }

  @Test func readsBytes() throws {
    let tensor = try read([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3] + [1, 2, 3, 4, 5, 6])
    #expect(
      tensor
        == ImportedTensor(
          name: "train/images", datatype: .uint8, shape: [2, 1, 3], bytes: [1, 2, 3, 4, 5, 6]))
    #expect(try tensor.normalized().shape == [2, 1, 3, 1])
  }

  @Test(
    arguments: [
      (0x09, DataType.int8, 1), (0x0B, .int16, 2), (0x0C, .int32, 4), (0x0D, .fp32, 4),
      (0x0E, .fp64, 8),
    ] as [(UInt8, DataType, Int)])
  func turnsBigEndianElements(code: UInt8, type: DataType, size: Int) throws {
    let element = (1...UInt8(size)).map { $0 }
    let tensor = try read([0, 0, code, 1, 0, 0, 0, 2] + element + element)
    #expect(tensor.datatype == type)
    #expect(tensor.bytes == element.reversed() + element.reversed())
  }

  @Test func makesLabels32BitsWide() throws {
    let path = directory.file("labels.idx")
    try Data([0, 0, 8, 1, 0, 0, 0, 3, 0, 9, 255]).write(to: URL(filePath: path))
    let labels = try IDXFile.read(path, as: "train/labels").normalized()
    #expect(labels.datatype == .int32)
    #expect(labels.bytes == [0, 0, 0, 0, 9, 0, 0, 0, 255, 0, 0, 0])
  }

  /// Found by fuzzing: the first extent promises more than memory holds, or a number can say.
  @Test(arguments: [4_294_967_056, Int.max])
  func labelsWithoutElementsTakeNoMemory(count: Int) throws {
    let labels = ImportedTensor(
      name: "train/labels", datatype: .int64, shape: [count, 0], bytes: [])
    #expect(try labels.normalized().bytes.isEmpty)
  }

  /// A gzip file with two members, as `cat a.gz b.gz` makes it: header in one, elements in the
  /// other.
  @Test func readsGzip() throws {
    let path = directory.file("x.gz")
    let members: [[UInt8]] = [[0, 0, 8, 1, 0, 0, 0, 4], [1, 2, 3, 4]]
    try Data(members.flatMap(gzipped)).write(to: URL(filePath: path))
    #expect(try IDXFile.read(path, as: "train/labels").bytes == [1, 2, 3, 4])
  }

  @Test func saysWhereAFileIsCutShort() throws {
    let error = #expect(throws: CommandError.self) {
      try read(
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28] + [UInt8](repeating: 0, count: 100))
    }
    let path = directory.file("x.idx")
    #expect(
      error?.description == """
        \(path) (byte 16): expected 1568 bytes of elements of shape [2, 28, 28], came 100 bytes
          hint: the file is cut short; fetch it again
        """)
  }

  @Test(
    arguments: [
      ([], "byte 0"), ([0, 0, 8], "byte 0"), ([1, 0, 8, 1, 0, 0, 0, 0], "byte 0"),
      ([0, 0, 7, 1, 0, 0, 0, 0], "byte 2"), ([0, 0, 8, 0], "byte 3"), ([0, 0, 8, 9], "byte 3"),
      ([0, 0, 8, 2, 0, 0, 0, 1], "byte 4"), ([0, 0, 8, 1, 0, 0, 0, 1, 5, 6], "byte 9"),
      ([0, 0, 14, 3] + [UInt8](repeating: 0xFF, count: 12), "byte 4"),
      ([0, 0, 8, 2] + [UInt8](repeating: 0x7F, count: 8), "byte 12"),
    ] as [([UInt8], String)])
  func refusesMalformedFiles(bytes: [UInt8], field: String) {
    let error = #expect(throws: CommandError.self) { try read(bytes) }
    #expect(error?.field == field)
  }

  @Test func refusesDamagedGzip() throws {
    let whole = gzipped([0, 0, 8, 1, 0, 0, 0, 100] + (0..<100).map { UInt8($0) })
    let path = directory.file("x.gz")
    var damaged = whole
    damaged[whole.count - 6] ^= 1  // in the checksum
    for bytes in [Array(whole.dropLast(9)), damaged] {
      try Data(bytes).write(to: URL(filePath: path))
      let error = #expect(throws: CommandError.self) { try IDXFile.read(path, as: "train/labels") }
      #expect(error?.expected == "whole gzip data")
    }
  }

  @Test func saysThatAFileIsNotThere() {
    let error = #expect(throws: CommandError.self) {
      try IDXFile.read(directory.file("nothing"), as: "train/images")
    }
    #expect(error?.what.contains("No such file") == true)
    #expect(throws: CommandError.self) { try IDXFile.read(directory.path, as: "train/images") }
  }

  /// A gzip member with one stored block (RFC 1951 §3.2.4, RFC 1952).
  private func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let length = UInt16(bytes.count)
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1] + little(length) + little(~length) + bytes
      + little(~crc) + little(UInt32(bytes.count))
  }
}
