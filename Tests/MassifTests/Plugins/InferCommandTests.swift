// SPDX-License-Identifier: Apache-2.0
import MassifClient
import Testing

@testable import massif

struct InferCommandTests {
  @Test func readsARequestAndWritesTensors() throws {
    let inputs = try InferCommand.inputs(
      """
      {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2.5]},
                  {"name": "s", "datatype": "BYTES", "shape": [1], "data": ["ab"]},
                  {"name": "b", "datatype": "BOOL", "shape": [2], "data": [true, false]}]}
      """, name: "ask.json")
    #expect(inputs.map(\.name) == ["x", "s", "b"])
    #expect(try inputs[0].elements(of: Float.self) == [1, 2.5])
    #expect(TensorElements.json(inputs[0]).map(\.text) == ["1", "2.5"])
    #expect(TensorElements.json(inputs[1]) == [.string("ab")])
    #expect(TensorElements.json(inputs[2]) == [.bool(true), .bool(false)])
  }

  @Test(arguments: ["[]", "{}", #"{"inputs": [{"name": "x"}]}"#])
  func saysWhatIsWrong(text: String) {
    #expect(throws: CommandError.self) { try InferCommand.inputs(text, name: "ask.json") }
  }
}
