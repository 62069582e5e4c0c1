// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import Testing

@testable import massif

struct GoldenFileTests {
  @Test func readsCases() throws {
    let cases = try GoldenFile.parse(
      """
      [{"model": "vision/echo", "version": 2, "tolerance": 0.5,
        "inputs": [{"name": "x", "datatype": "INT16", "shape": [2], "data": [1, -2]}],
        "outputs": [{"name": "y", "datatype": "BYTES", "shape": [1], "data": ["ab"]},
                    {"name": "z", "datatype": "FP32", "shape": [1], "data": [1]}]},
       {"configuration": {"b": 1, "a": 2}, "inputs": [], "outputs": []}]
      """, name: "golden.json")
    #expect(cases.count == 2)
    #expect(cases[0].model == "vision/echo" && cases[0].version == 2 && cases[0].tolerance == 0.5)
    #expect(Array(cases[0].inputs[0].contents) == [1, 0, 0xFE, 0xFF])
    #expect(Array(cases[0].outputs[0].contents) == [2, 0, 0, 0, 97, 98])
    #expect(Array(cases[0].outputs[1].contents) == [0, 0, 0x80, 0x3F])
    #expect(cases[1].configuration == #"{"a":2,"b":1}"#)
  }

  @Test(arguments: [
    ("{}", "array"), ("[{\"modell\": \"x\"}]", "[0].modell"), ("[{}]", "[0].inputs"),
    (
      #"[{"inputs": [{"name": "x", "datatype": "UINT8", "shape": [1], "data": [256]}]}]"#,
      "[0].inputs[0].data[0]"
    ),
  ])
  func saysWhatIsWrong(text: String, words: String) {
    let error = #expect(throws: CommandError.self) {
      try GoldenFile.parse(text, name: "golden.json")
    }
    #expect(error?.description.contains(words) == true)
  }
}
