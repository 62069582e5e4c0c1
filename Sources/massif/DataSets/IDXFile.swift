// SPDX-License-Identifier: Apache-2.0
internal import Runtime

/// Reads IDX, the format of MNIST and its kin: two zero bytes, a type, the number of dimensions,
/// big-endian extents, big-endian elements.
///
/// http://yann.lecun.com/exdb/mnist/, "The IDX file format".
enum IDXFile {
  /// Enough for images in colour and video; the format allows 255.
  static let maxRank = 8

  static func read(_ path: String, as name: String) throws(CommandError) -> ImportedTensor {
    let file = try SourceFile(path)
    let magic = try file.read(exactly: 4, of: "the IDX header")
    guard magic[0] == 0, magic[1] == 0 else {
      throw CommandError(
        path, field: "byte 0", expected: "two zero bytes, as IDX begins",
        came: "\(magic[0]), \(magic[1])", hint: "is this an IDX file? --npy and --csv read others")
    }
    guard let datatype = datatype(magic[2]) else {
      throw CommandError(
        path, field: "byte 2", expected: "an IDX type (8, 9, 11, 12, 13 or 14)", came: "\(magic[2])"
      )
    }
    let rank = Int(magic[3])
    guard (1...maxRank).contains(rank) else {
      throw CommandError(
        path, field: "byte 3", expected: "1 to \(maxRank) dimensions", came: "\(rank)")
    }
    let extents = try file.read(exactly: rank * 4, of: "the IDX header")
    let shape = (0..<rank).map { dimension in
      extents[dimension * 4..<dimension * 4 + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    let size = datatype.byteCount ?? 1
    guard let byteCount = ImportedTensor.elementCount(shape + [size]) else {
      throw CommandError(
        path, field: "byte 4", expected: "extents whose product fits in 63 bits", came: "\(shape)")
    }
    var bytes = try file.read(exactly: byteCount, of: "elements of shape \(shape)")
    try file.expectEnd(after: "elements of shape \(shape)")
    if size > 1 { reverseEach(size, in: &bytes) }
    return ImportedTensor(name: name, datatype: datatype, shape: shape, bytes: bytes)
  }

  private static func datatype(_ code: UInt8) -> DataType? {
    switch code {
    case 0x08: .uint8
    case 0x09: .int8
    case 0x0B: .int16
    case 0x0C: .int32
    case 0x0D: .fp32
    case 0x0E: .fp64
    default: nil
    }
  }

  /// Turns big-endian elements into little-endian ones.
  static func reverseEach(_ size: Int, in bytes: inout [UInt8]) {
    for start in stride(from: 0, to: bytes.count - size + 1, by: size) {
      bytes[start..<start + size].reverse()
    }
  }
}
