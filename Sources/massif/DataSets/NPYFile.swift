// SPDX-License-Identifier: Apache-2.0
internal import Runtime

/// Reads NumPy's .npy files, versions 1 to 3 (numpy.lib.format): magic, header length, a Python
/// literal `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, elements.
enum NPYFile {
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// NumPy's own limit for a header that it reads without being told that it is trusted.
  static let maxHeaderByteCount = 10_000
  static let maxRank = 32

  static func read(_ path: String, as name: String) throws(CommandError) -> ImportedTensor {
    let file = try SourceFile(path)
    let start = try file.read(exactly: 8, of: "the NPY header")
    guard Array(start[..<6]) == magic else {
      throw CommandError(
        path, field: "byte 0", expected: "\\x93NUMPY, as NPY begins", came: "other bytes",
        hint: "numpy.save writes NPY; an archive of numpy.savez has to be unpacked first")
    }
    guard (1...3).contains(start[6]) else {
      throw CommandError(path, field: "byte 6", expected: "version 1, 2 or 3", came: "\(start[6])")
    }
    let lengthSize = start[6] == 1 ? 2 : 4
    let length = try file.read(exactly: lengthSize, of: "the NPY header").reversed().reduce(0) {
      $0 << 8 | Int($1)
    }
    guard length <= maxHeaderByteCount else {
      throw CommandError(
        path, field: "byte 8", expected: "a header of at most \(maxHeaderByteCount) bytes",
        came: "\(length)")
    }
    let text = try file.read(exactly: length, of: "the NPY header")
    var parser = HeaderParser(path: path, text: text, base: 8 + lengthSize)
    let header = try parser.parse()
    let (datatype, isBigEndian) = try datatype(header.descr, path)
    guard !header.isFortranOrder else {
      throw CommandError(
        path, field: "fortran_order", expected: "False (rows first)", came: "True",
        hint: "save it with numpy.save(path, numpy.ascontiguousarray(array))")
    }
    let size = datatype.byteCount ?? 1
    guard let byteCount = ImportedTensor.elementCount(header.shape + [size]) else {
      throw CommandError(
        path, field: "shape", expected: "extents whose product fits in 63 bits",
        came: "\(header.shape)")
    }
    guard !header.shape.isEmpty else {
      throw CommandError(path, field: "shape", expected: "at least one dimension", came: "()")
    }
    var bytes = try file.read(exactly: byteCount, of: "elements of shape \(header.shape)")
    try file.expectEnd(after: "elements of shape \(header.shape)")
    if isBigEndian, size > 1 { IDXFile.reverseEach(size, in: &bytes) }
    return ImportedTensor(name: name, datatype: datatype, shape: header.shape, bytes: bytes)
  }

  private static func datatype(
    _ descr: String, _ path: String
  ) throws(CommandError) -> (DataType, isBigEndian: Bool) {
    let types: [Substring: DataType] = [
      "b1": .bool, "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "i1": .int8,
      "i2": .int16, "i4": .int32, "i8": .int64, "f2": .fp16, "f4": .fp32, "f8": .fp64,
    ]
    guard let order = descr.first, "<>|=".contains(order), let type = types[descr.dropFirst()]
    else {
      throw CommandError(
        path, field: "descr", expected: "numbers or truth values, as '<f4'", came: "'\(descr)'",
        hint: "convert it with array.astype(numpy.float32)")
    }
    return (type, order == ">")
  }

  private struct Header {
    var descr = ""
    var isFortranOrder = false
    var shape: [Int] = []
  }

  /// Reads the one shape of Python literal that NumPy writes.
  ///
  /// Nothing is evaluated.
  private struct HeaderParser {
    let path: String
    let text: [UInt8]
    /// Where the text begins in the file, for messages.
    let base: Int
    var position = 0

    init(path: String, text: [UInt8], base: Int) {
      self.path = path
      self.text = text
      self.base = base
    }

    mutating func parse() throws(CommandError) -> Header {
      var header = Header()
      var seen: Set<String> = []
      try expect("{")
      while !take("}") {
        let key = try string()
        try expect(":")
        switch key {
        case "descr": header.descr = try string()
        case "fortran_order": header.isFortranOrder = try bool()
        case "shape": header.shape = try tuple()
        default: throw problem("descr, fortran_order or shape")
        }
        guard seen.insert(key).inserted else { throw problem("\(key) once") }
        if !take(",") {
          try expect("}")
          break
        }
      }
      guard seen.count == 3 else { throw problem("descr, fortran_order and shape") }
      return header
    }

    private mutating func tuple() throws(CommandError) -> [Int] {
      var extents: [Int] = []
      try expect("(")
      while !take(")") {
        extents.append(try integer())
        guard extents.count <= maxRank else { throw problem("at most \(maxRank) dimensions") }
        if !take(",") {
          try expect(")")
          break
        }
      }
      return extents
    }

    private mutating func integer() throws(CommandError) -> Int {
      skipSpace()
      let start = position
      while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
      guard let value = Int(String(decoding: text[start..<position], as: UTF8.self)) else {
        position = start
        throw problem("an extent")
      }
      return value
    }

    private mutating func bool() throws(CommandError) -> Bool {
      for (word, value) in [("True", true), ("False", false)] where take(word) { return value }
      throw problem("True or False")
    }

    private mutating func string() throws(CommandError) -> String {
      skipSpace()
      guard position < text.count, text[position] == 0x27 || text[position] == 0x22 else {
        throw problem("a quoted string")
      }
      let quote = text[position]
      let start = position + 1
      guard let end = text[start...].firstIndex(of: quote) else { throw problem("a closing quote") }
      position = end + 1
      return String(decoding: text[start..<end], as: UTF8.self)
    }

    private mutating func expect(_ token: String) throws(CommandError) {
      guard take(token) else { throw problem("'\(token)'") }
    }

    private mutating func take(_ token: String) -> Bool {
      skipSpace()
      guard text[position...].starts(with: token.utf8) else { return false }
      position += token.utf8.count
      return true
    }

    private mutating func skipSpace() {
      while position < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[position]) {
        position += 1
      }
    }

    private func problem(_ expected: String) -> CommandError {
      let rest = String(decoding: text[position...].prefix(20), as: UTF8.self)
      return CommandError(
        path, field: "byte \(base + position)", expected: "\(expected) in the NPY header",
        came: rest.isEmpty ? "its end" : "\"\(rest)\"")
    }
  }
}
