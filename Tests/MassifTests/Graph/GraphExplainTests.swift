// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import ModelPlugins
import Testing

@testable import massif

struct GraphExplainTests {
  private static let specification = """
    model: fashion
    dataset: fashion-mnist
    configuration:
      layers:
        - { type: conv2d, filters: 8, kernel: 3, use_bias: false }
        - { type: batch_norm }
        - { type: activation, activation: relu }
        - { type: flatten }
        - { type: dense, units: 10 }
    """

  private func command(_ arguments: [String]) throws -> GraphExplainCommand {
    try #require(try Massif.parseAsRoot(["graph", "explain"] + arguments) as? GraphExplainCommand)
  }

  @Test func aSpecificationIsExplainedWithoutAServer() throws {
    let explanation = try command(["s.yaml", "--shape", "28x28"]).explanation(
      of: Self.specification)
    for words in [
      "conv2d + batch_norm + relu", "FP32 [batch, 26, 26, 8]", "dense", "softmax",
      "bytes of values",
    ] {
      #expect(explanation.text.contains(words), "\(explanation.text)")
    }
    #expect(explanation.drawing.hasPrefix("<svg"))
    let json = try JSONSerialization.jsonObject(with: Data(explanation.json.utf8))
    let object = try #require(json as? [String: Any])
    let operations = try #require(object["operations"] as? [[String: Any]])
    #expect(operations.count == 5)
    // 3 · 3 · 8 weights over 26 · 26 pixels, two operations each.
    let work = try #require(operations[1]["FLOP"] as? Double)
    #expect(work == 2 * 72 * 676)
  }

  @Test func aTrainingPlanHasItsGradients() throws {
    let text = try command(["s.yaml", "--shape", "28x28", "--plan", "training", "--batch", "4"])
      .explanation(of: Self.specification).text
    for words in ["conv2d parameter gradient", "cross_entropy", "largest batch           4"] {
      #expect(text.contains(words), "\(text)")
    }
  }

  @Test func aConfigurationAloneWillDo() throws {
    let text = try command(["n.json", "--shape", "5", "--datatype", "fp32"])
      .explanation(of: #"{"layers":[{"type":"dense","units":3}]}"#).text
    #expect(text.contains("dense"))
  }

  @Test func theArtifactOfAVersionSaysItsShapeItself() throws {
    let model = """
      {"format":"massif.neural-network/1","input":{"datatype":"UINT8","shape":[6,6]},
       "configuration":{"layers":[{"type":"flatten"},{"type":"dense","units":2}]}}
      """
    #expect(try command(["model.json"]).explanation(of: model).text.contains("FP32 [batch, 2]"))
  }

  @Test func whatIsWrongIsSaid() throws {
    func error(_ arguments: [String], _ text: String) throws -> CommandError? {
      let command = try command(arguments)
      do throws(CommandError) {
        _ = try command.explanation(of: text)
        return nil
      } catch {
        return error
      }
    }
    #expect(try error(["s.yaml"], Self.specification)?.hint?.contains("--shape") == true)
    #expect(
      try error(["s.yaml", "--shape", "2x2"], Self.specification)?.what
        .contains("configuration.layers[0]") == true)
    #expect(try error(["s.yaml", "--datatype", "text"], Self.specification)?.what == "--datatype")
    #expect(try error(["s.yaml"], "- 1")?.expected?.contains("a mapping") == true)
  }
}
