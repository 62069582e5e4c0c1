// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import Testing

@testable import massif

struct SpecificationFileTests {
  private func parse(_ text: String) throws(CommandError) -> Massif_V1_TrainingSpecification {
    try SpecificationFile.parse(text, path: "s.yaml")
  }

  @Test func readsYAML() throws {
    let specification = try parse(
      """
      model: vision/fashion
      dataset: fashion-mnist
      seed: 18446744073709551615
      threads: 2
      configuration:
        layers:
          - { type: dense, units: 10, rate: 0.25, bias: true, name: "1", note: null }
          - type: flatten
        epochs: 3
      """)
    #expect(specification.model == "vision/fashion")
    #expect(specification.dataset == "fashion-mnist")
    #expect(specification.plugin == "neural-network")
    #expect(specification.seed == .max)
    #expect(specification.threads == 2)
    #expect(
      specification.configuration
        == #"{"layers":[{"type":"dense","units":10,"rate":0.25,"bias":true,"name":"1","note":null},"#
        + #"{"type":"flatten"}],"epochs":3}"#)
  }

  @Test func readsJSON() throws {
    let specification = try parse(
      #"{"model": "m", "dataset": "d", "plugin": "p", "configuration": {"a": [1, -2.5e3, "x"]}}"#)
    #expect(specification.plugin == "p")
    #expect(specification.configuration == #"{"a":[1,-2500,"x"]}"#)
  }

  @Test func keepsNumbersAsTheyAre() throws {
    let specification = try parse(
      "{model: m, dataset: d, configuration: {a: 0.00392156862745098, b: 0x10, c: 1e-8, d: .inf}}")
    #expect(
      specification.configuration == #"{"a":0.00392156862745098,"b":16,"c":1e-08,"d":null}"#)
  }

  @Test(arguments: [
    ("dataset: d", "model"), ("model: m\ndataset: []", "dataset"),
    ("model: [m]\ndataset: d", "model"),
    ("model: m\ndataset: d\nseed: -1", "seed"), ("model: m\ndataset: d\nseed: x", "seed"),
    ("model: m\ndataset: d\nthreads: 4294967296", "threads"),
    ("model: m\ndataset: d\nlayers: []", "layers"),
    ("model: m\ndataset: d\nconfiguration: [1]", "configuration"),
    ("model: ''\ndataset: d", "model"),
  ])
  func saysWhichFieldIsWrong(text: String, field: String) {
    let error = #expect(throws: CommandError.self) { try parse(text) }
    #expect(error?.field == field)
  }

  @Test(arguments: ["", "- a", "model: [", "model: *x", "just text"])
  func refusesWhatIsNoSpecification(text: String) {
    #expect(throws: CommandError.self) { try parse(text) }
  }

  @Test func boundsAliasesAndDepth() {
    var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      bomb += "a\(level): &a\(level) [\(aliases)]\n"
    }
    let error = #expect(throws: CommandError.self) { try parse(bomb) }
    #expect(error?.expected == "at most \(SpecificationFile.maxNodes) values")
    let deep = String(repeating: "[", count: 80) + String(repeating: "]", count: 80)
    #expect(throws: CommandError.self) { try parse("configuration: {a: \(deep)}") }
  }
}
