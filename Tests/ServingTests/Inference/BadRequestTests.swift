// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime
import Testing

@testable import Serving

/// A `ModelInferRequest` written field by field, right or wrong.
struct RequestBuilder {
  var writer = WireWriter()

  init(model: String = "m") { writer.string(1, model) }

  mutating func input(
    _ name: String = "INPUT0", _ datatype: String = "FP32", _ shape: [Int64] = [1, 4],
    contents: ((inout WireWriter) -> Void)? = nil
  ) {
    writer.message(5) {
      $0.string(1, name)
      $0.string(2, datatype)
      $0.packed(3, shape)
      if let contents { $0.message(5, contents) }
    }
  }

  mutating func raw(_ count: Int) {
    writer.bytes(7, [UInt8](repeating: 0, count: count))
  }

  mutating func output(_ name: String) {
    writer.message(6) { $0.string(1, name) }
  }
}

extension WireWriter {
  mutating func bytes(_ field: Int, _ value: [UInt8]) {
    varint(UInt64(field) << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
  }
}

@Suite struct BadRequestTests {
  /// A wrong request, the path that it must be refused with and words of the explanation.
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let field: String
    let words: [String]
    let message: [UInt8]

    init(
      _ name: String, _ field: String, _ words: [String],
      _ build: (inout RequestBuilder) -> Void
    ) {
      testDescription = name
      self.field = field
      self.words = words
      var builder = RequestBuilder()
      build(&builder)
      message = builder.writer.bytes
    }
  }

  static let cases: [Case] = [
    Case("no model", "model_name", ["came none"]) { $0 = RequestBuilder(model: "") },
    Case("wrong datatype", "inputs[0].datatype", ["expected FP32", "came INT8"]) {
      $0.input("INPUT0", "INT8")
      $0.raw(16)
    },
    Case("no datatype", "inputs[0].datatype", ["expected FP32", "came none"]) {
      $0.input("INPUT0", "")
      $0.raw(16)
    },
    Case("wrong extent", "inputs[0].shape", ["[1...8, 4]", "came [1, 5]"]) {
      $0.input("INPUT0", "FP32", [1, 5])
      $0.raw(20)
    },
    Case("wrong rank", "inputs[0].shape", ["[1...8, 4]", "came [4]"]) {
      $0.input("INPUT0", "FP32", [4])
      $0.raw(16)
    },
    Case("negative extent", "inputs[0].shape", ["came [-1, 4]"]) {
      $0.input("INPUT0", "FP32", [-1, 4])
      $0.raw(16)
    },
    Case("no rows", "inputs[0].shape", ["1...8", "came [0, 4]"]) {
      $0.input("INPUT0", "FP32", [0, 4])
      $0.raw(0)
    },
    Case("too many rows", "inputs[0].shape", ["1...8", "came [9, 4]"]) {
      $0.input("INPUT0", "FP32", [9, 4])
      $0.raw(144)
    },
    Case("a rank beyond all", "inputs[0].shape", ["at most 8 dimensions"]) {
      $0.input("INPUT0", "FP32", [1, 1, 1, 1, 1, 1, 1, 1, 4])
      $0.raw(16)
    },
    Case("short raw contents", "raw_input_contents[0]", ["expected 16 bytes", "came 15"]) {
      $0.input()
      $0.raw(15)
    },
    Case("long raw contents", "raw_input_contents[0]", ["expected 16 bytes", "came 17"]) {
      $0.input()
      $0.raw(17)
    },
    Case("too many raw contents", "raw_input_contents", ["expected 1 elements", "came 2"]) {
      $0.input()
      $0.raw(16)
      $0.raw(16)
    },
    Case("raw and typed", "inputs[0].contents", ["came both"]) {
      $0.input { $0.bytes(6, [UInt8](repeating: 0, count: 16)) }
      $0.raw(16)
    },
    Case("no contents", "inputs[0].contents", ["4 elements", "came none"]) { $0.input() },
    Case("too few typed", "inputs[0].contents", ["expected 4 elements", "came 3"]) {
      $0.input { $0.bytes(6, [UInt8](repeating: 0, count: 12)) }
    },
    Case("half an element", "inputs[0].contents", ["cut short"]) {
      $0.input { $0.bytes(6, [UInt8](repeating: 0, count: 15)) }
    },
    Case("typed in another field", "inputs[0].contents.int_contents", ["datatype"]) {
      $0.input { $0.bytes(2, [1, 2, 3, 4]) }
    },
    Case("typed in two fields", "inputs[0].contents.fp64_contents", ["datatype"]) {
      $0.input {
        $0.bytes(6, [UInt8](repeating: 0, count: 16))
        $0.bytes(7, [UInt8](repeating: 0, count: 8))
      }
    },
    Case("unknown input", "inputs[0].name", ["expected one of INPUT0", "came x"]) {
      $0.input("x")
      $0.raw(16)
    },
    Case("nameless input", "inputs[0].name", ["came none"]) {
      $0.input("")
      $0.raw(16)
    },
    Case("one input twice", "inputs[1].name", ["INPUT0 came twice"]) {
      $0.input()
      $0.input()
      $0.raw(16)
      $0.raw(16)
    },
    Case("missing input", "inputs", ["INPUT0", "missing"]) { $0.output("OUTPUT0") },
    Case("unknown output", "outputs[0].name", ["expected one of OUTPUT0, OUTPUT1", "came y"]) {
      $0.output("y")
    },
    Case("one output twice", "outputs[1].name", ["OUTPUT1 came twice"]) {
      $0.output("OUTPUT1")
      $0.output("OUTPUT1")
    },
    Case("more inputs than any model has", "inputs", ["at most 64"]) {
      for _ in 0..<65 { $0.input() }
    },
    Case("more raw contents than any model has", "raw_input_contents", ["at most 64"]) {
      for _ in 0..<65 { $0.raw(1) }
    },
    Case("more outputs than any model has", "outputs", ["at most 64"]) {
      for _ in 0..<65 { $0.output("OUTPUT0") }
    },
    Case("parameters without end", "parameters", ["at most 64"]) {
      for _ in 0..<65 { $0.writer.message(4) { $0.string(1, "k") } }
    },
    Case("a timeout that is no number", "parameters.timeout", ["microseconds"]) {
      $0.writer.message(4) {
        $0.string(1, "timeout")
        $0.message(2) { $0.string(3, "soon") }
      }
    },
    Case("contents twice", "inputs[0].contents", ["came twice"]) {
      $0.writer.message(5) {
        $0.string(1, "INPUT0")
        $0.message(5) { _ in }
        $0.message(5) { _ in }
      }
    },
  ]

  @Test(arguments: cases)
  func isRefusedWithItsPath(_ bad: Case) throws {
    let error = #expect(throws: ServingError.self) {
      try decode(bad.message, [specification(.fp32)])
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.first?.field == bad.field)
    for words in bad.words { #expect(error?.message.contains(words) == true, "\(error as Any)") }
  }

  @Test func extentsWhoseProductOverflows() throws {
    for extents in [[Int64.max, 2], [1 << 31, 1 << 32], [Int64.max, Int64.max], [1 << 61, 1]] {
      var builder = RequestBuilder()
      builder.input("INPUT0", "FP32", [1] + extents)
      builder.raw(16)
      let error = #expect(throws: ServingError.self) {
        try decode(builder.writer.bytes, [specification(.fp32, [-1, -1])])
      }
      #expect(error?.violations.first?.field == "inputs[0].shape")
    }
  }

  @Test func rowsOfAllInputsAgree() throws {
    var builder = RequestBuilder()
    builder.input("INPUT0", "FP32", [2, 3])
    builder.input("INPUT1", "INT64", [1, 1])
    builder.raw(24)
    builder.raw(8)
    let error = #expect(throws: ServingError.self) { try decode(builder.writer.bytes, twoInputs) }
    #expect(error?.message == "inputs[1].shape: expected 2 rows as in inputs[0], came 1")
  }

  @Test(arguments: [(DataType.int8, 128), (.int8, -129), (.int16, 40_000), (.uint8, 256)])
  func typedElementsThatDoNotFit(datatype: DataType, value: Int) throws {
    var builder = RequestBuilder()
    let field = datatype == .uint8 ? 4 : 2
    builder.input("INPUT0", datatype.rawValue, [1, 2]) { $0.packed(field, [1, Int64(value)]) }
    let error = #expect(throws: ServingError.self) {
      try decode(builder.writer.bytes, [specification(datatype, [2])])
    }
    let name = datatype == .uint8 ? "uint_contents" : "int_contents"
    #expect(error?.violations.first?.field == "inputs[0].contents.\(name)[1]")
    #expect(error?.message.contains("came \(value)") == true)
  }

  @Test(arguments: ["FP16", "BF16"])
  func halfPrecisionTravelsRawOnly(name: String) throws {
    let datatype = try #require(DataType(rawValue: name))
    var builder = RequestBuilder()
    builder.input("INPUT0", name, [1, 1]) { $0.bytes(6, [0, 0, 0, 0]) }
    let error = #expect(throws: ServingError.self) {
      try decode(builder.writer.bytes, [specification(datatype, [1])])
    }
    #expect(error?.message.contains("use raw_input_contents") == true)
  }

  @Test func bytesElementsAreChecked() throws {
    for (raw, words) in [
      ([1, 0, 0, 0] as [UInt8], "cut short"), ([0, 0, 0, 0xff], "cut short"),
      ([0, 0, 0, 0], "expected 2 elements"), ([1, 0], "cut short"),
      ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "came 3"),
    ] {
      var builder = RequestBuilder()
      builder.input("INPUT0", "BYTES", [1, 2])
      builder.writer.bytes(7, raw)
      let error = #expect(throws: ServingError.self) {
        try decode(builder.writer.bytes, [specification(.bytes, [2])])
      }
      #expect(error?.violations.first?.field == "raw_input_contents[0]")
      #expect(error?.message.contains(words) == true)
    }
  }

  @Test func textIsUTF8WithoutNUL() throws {
    for name in [[0x6d, 0, 0x6d] as [UInt8], [0xff], [0xc3]] {
      var writer = WireWriter()
      writer.bytes(1, name)
      let error = #expect(throws: ServingError.self) {
        try decode(writer.bytes, [specification(.fp32)])
      }
      #expect(error?.message.contains("UTF-8") == true)
    }
  }

  @Test func theHeadIsBounded() throws {
    var limits = InferLimits()
    limits.maxHeadByteCount = 64
    var builder = RequestBuilder(model: String(repeating: "m", count: 65))
    builder.input()
    builder.raw(16)
    let error = #expect(throws: ServingError.self) {
      try decode(builder.writer.bytes, [specification(.fp32)], limits: limits)
    }
    #expect(error?.message.contains("at most 64 bytes") == true)
  }

  @Test func decodedMemoryIsBounded() throws {
    var limits = InferLimits()
    limits.maxDecodedHeadByteCount = 16 << 10
    var builder = RequestBuilder()
    builder.input()
    // Unknown fields: a few bytes each on the wire, many decoded.
    for _ in 0..<3000 { builder.writer.unsigned(99, 1) }
    builder.raw(16)
    let error = #expect(throws: ServingError.self) {
      try decode(builder.writer.bytes, [specification(.fp32)], limits: limits)
    }
    #expect(error?.message.contains("decodes to at most") == true)
  }

  @Test func typedContentsAreBounded() throws {
    var limits = InferLimits()
    limits.maxTypedContentsByteCount = 8
    var builder = RequestBuilder()
    builder.input { $0.bytes(6, [UInt8](repeating: 0, count: 16)) }
    let error = #expect(throws: ServingError.self) {
      try decode(builder.writer.bytes, [specification(.fp32)], limits: limits)
    }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message.contains("raw_input_contents") == true)
  }
}
