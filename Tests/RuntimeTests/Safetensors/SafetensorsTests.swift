// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct SafetensorsTests {
  @Test func readsTheReferenceWriter() throws {
    let golden = try Golden("reference-writer")
    #expect(golden.file.entries.count == 14)
    #expect(golden.file.metadata == ["format": "np", "note": "tab\tü"])
    #expect(try golden.floats("single") == [0, 1, 2])
    #expect(try golden.floats("quote \" back\\slash \n ü 😀") == [1.5])
    #expect(golden.file["empty"]?.shape.dimensions == [0, 4])
    #expect(golden.file["i64"]?.shape == .scalar)
    #expect(golden.file["b/half"]?.datatype == .fp16)
    #expect(golden.file["missing"] == nil)
  }

  @Test func writesTheSameBytesAsTheReferenceWriter() throws {
    let bytes = try Golden.bytes("reference-writer")
    let file = try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
    let written = try bytes.withUnsafeBytes { raw in
      // Backwards, so that the order is the writer's doing.
      try SafetensorsWriter.encode(
        file.entries.reversed().map {
          (
            try .init($0.name, $0.datatype, $0.shape),
            UnsafeRawBufferPointer(rebasing: raw[$0.range])
          )
        }, metadata: file.metadata)
    }
    #expect(written == bytes)
  }

  static let malformed: [(String, String, data: Int)] = [
    ("no object", "[]", 0),
    ("space before the object", " {}", 0),
    ("unclosed", "{", 0),
    ("something after", "{} x", 0),
    ("a comma too much", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}"#, 4),
    ("not a tensor", #"{"a":1}"#, 0),
    ("no dtype", #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4),
    ("unknown key", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#, 4),
    ("key twice", #"{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4),
    ("unknown dtype", #"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4),
    ("BYTES", #"{"a":{"dtype":"BYTES","shape":[1],"data_offsets":[0,4]}}"#, 4),
    ("negative shape", #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4),
    ("fraction", #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, 4),
    ("leading zero", #"{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}"#, 4),
    (
      "shape overflows",
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, 4
    ),
    (
      "number overflows",
      #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, 4
    ),
    ("size is not the shape's", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4),
    ("offsets backwards", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4),
    ("three offsets", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#, 4),
    ("one offset", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4),
    ("beyond the file", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4),
    ("bytes of no tensor", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5),
    (
      "gap",
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#,
      3
    ),
    ("gap in front", #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2),
    (
      "overlap",
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
      3
    ),
    (
      "name twice",
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
      2
    ),
    ("metadata not strings", #"{"__metadata__":{"a":1}}"#, 0),
    ("metadata twice", #"{"__metadata__":{},"__metadata__":{}}"#, 0),
    ("metadata key twice", #"{"__metadata__":{"a":"","a":""}}"#, 0),
    ("unknown escape", #"{"\x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 0),
    ("half a surrogate", #"{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 0),
    ("control character", "{\"a\u{1}\":{}}", 0),
  ]

  @Test(arguments: malformed)
  func refusesTheMalformed(_ name: String, _ header: String, data: Int) {
    let bytes = Self.file(header, data: data)
    #expect(throws: RuntimeError.self, "\(name)") {
      try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
    }
  }

  @Test func acceptsSpaceAndEscapes() throws {
    let bytes = Self.file(
      "{ \"\\u0061\\ud83d\\ude00\" :\n{\"shape\": [ ], \"data_offsets\":[0,\t2],\"dtype\":\"BF16\"} } ",
      data: 2)
    let file = try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
    #expect(file["a😀"]?.datatype == .bf16)
    let empty = Self.file("{}", data: 0)
    #expect(try empty.withUnsafeBytes { try SafetensorsFile(parsing: $0) }.entries.isEmpty)
  }

  @Test func boundsTheHeaderBeforeReadingIt() {
    var bytes = Self.file("{}", data: 0)
    bytes.replaceSubrange(0..<8, with: [255, 255, 255, 255, 255, 255, 255, 255])
    let error = #expect(throws: RuntimeError.self) {
      try bytes.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
    }
    #expect(error?.code == .tooLarge)
    let long = Self.file("{" + String(repeating: " ", count: 200) + "}", data: 0)
    #expect(throws: RuntimeError.self) {
      try long.withUnsafeBytes { try SafetensorsFile(parsing: $0, maximumHeaderByteCount: 100) }
    }
  }

  @Test func everyPrefixIsRefusedAndNoMutationCrashes() throws {
    let bytes = try Golden.bytes("reference-writer")
    for length in bytes.indices {
      #expect(throws: RuntimeError.self) {
        try bytes[..<length].withUnsafeBytes { try SafetensorsFile(parsing: $0) }
      }
    }
    let random = Philox(key: 11, stream: 0)
    for round in 0..<2_000 {
      var mutated = bytes
      for change in 0..<3 {
        let index = UInt64(round * 3 + change)
        let position = random.integer(at: 2 * index, below: bytes.count)
        mutated[position] = UInt8(random.integer(at: 2 * index + 1, below: 256))
      }
      let file = try? mutated.withUnsafeBytes { try SafetensorsFile(parsing: $0) }
      for entry in file?.entries ?? [] { #expect(entry.range.upperBound <= mutated.count) }
    }
  }

  @Test func theWriterRefusesNamesThatClash() throws {
    let item = try SafetensorsWriter.Item("a", .fp32, Shape([1]))
    #expect(throws: RuntimeError.self) { try SafetensorsWriter([item, item]) }
    let reserved = try SafetensorsWriter.Item("__metadata__", .fp32, Shape([1]))
    #expect(throws: RuntimeError.self) { try SafetensorsWriter([reserved]) }
    #expect(throws: RuntimeError.self) { try SafetensorsWriter.Item("a", .bytes, Shape([1])) }
  }

  private static func file(_ header: String, data: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
      + Array(header.utf8) + [UInt8](repeating: 0, count: data)
  }
}
