// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Plugins registered while the server runs, served, and called by a client that nobody here wrote.
@Suite(.serialized) struct IdentityTests {
  private func withIdentity(
    plugin: String, name: String, _ body: (Installation) async throws -> Void
  ) async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    let registered = try await massif.massifJSON(
      ["plugins", "register", BuildProducts.plugin(plugin).path], as: "admin")
    #expect(registered["name"] as? String == name)
    _ = try await massif.massifJSON(
      [
        "models", "create", "echo", "--plugin", name,
        "--configuration", #"{"datatype":"FP32","shape":[16]}"#,
      ])
    _ = try await massif.massifJSON(["deploy", "echo"])
    try await body(massif)
  }

  @Test(arguments: [("IdentityC", "identity"), ("IdentitySwift", "identity-swift")])
  func everyMethodOfTritonclient(plugin: String, name: String) async throws {
    try await withIdentity(plugin: plugin, name: name) { massif in
      let result = try await massif.python(
        "Tests/EndToEndTests/Python/every_method.py", ["--model", "echo"])
      #expect(result.status == 0, "\(result.errors)")
      let answers = try result.json()
      for name in ["server_live", "server_ready", "model_ready", "ready_after_load"] {
        #expect(answers[name] as? Bool == true, "\(name): \(result.output)")
      }
      #expect(answers["ready_after_unload"] as? Bool == false)
      let inference = try #require(answers["infer"] as? [String: Any])
      #expect(inference["equal"] as? Bool == true)
      #expect(inference["id"] as? String == "seventeen")
      let statistics = try #require(answers["statistics"] as? [String: Any])
      let model = try #require((statistics["model_stats"] as? [[String: Any]])?.first)
      #expect(model["inference_count"] as? String == "1")
    }
  }

  @Test func badInputsAreNamedAndTheServerKeepsServing() async throws {
    try await withIdentity(plugin: "IdentityC", name: "identity") { massif in
      let result = try await massif.python(
        "Tests/EndToEndTests/Python/bad_inputs.py", ["--model", "echo"])
      #expect(result.status == 0, "\(result.errors)")
      let answers = try #require(try result.json() as? [String: [String: Any]])
      let expected: [String: (code: String, mentions: [String])] = [
        "good": ("OK", []),
        "typed": ("OK", []),
        "wrong_datatype": ("INVALID_ARGUMENT", ["inputs[0].datatype", "FP32", "INT8"]),
        "unknown_datatype": ("INVALID_ARGUMENT", ["inputs[0].datatype", "FLOAT"]),
        "wrong_shape": ("INVALID_ARGUMENT", ["inputs[0].shape", "16", "4"]),
        "negative_shape": ("INVALID_ARGUMENT", ["inputs[0].shape"]),
        "huge_shape": ("INVALID_ARGUMENT", ["inputs[0].shape"]),
        "raw_too_short": ("INVALID_ARGUMENT", ["raw_input_contents[0]", "64", "63"]),
        "raw_too_long": ("INVALID_ARGUMENT", ["raw_input_contents[0]", "64", "65"]),
        "no_contents": ("INVALID_ARGUMENT", []),
        "raw_and_typed": ("INVALID_ARGUMENT", ["inputs[0].contents"]),
        "unknown_input": ("INVALID_ARGUMENT", ["NOBODY"]),
        "input_twice": ("INVALID_ARGUMENT", ["inputs[1]"]),
        "unknown_output": ("INVALID_ARGUMENT", ["NOBODY"]),
        "unknown_model": ("NOT_FOUND", ["nobody"]),
        "other_teams_model": ("NOT_FOUND", ["other/secret"]),
        "traversal": ("INVALID_ARGUMENT", []),
        "unknown_version": ("NOT_FOUND", ["99"]),
        "version_that_is_no_alias": ("INVALID_ARGUMENT", ["model_version", "one"]),
        "message_over_the_limit": ("RESOURCE_EXHAUSTED", []),
        "good_again": ("OK", []),
      ]
      for (name, expectation) in expected {
        let answer = try #require(answers[name], "\(name) was not asked")
        #expect(answer["code"] as? String == expectation.code, "\(name): \(answer)")
        let message = answer["message"] as? String ?? ""
        for word in expectation.mentions {
          #expect(message.contains(word), "\(name): \(message)")
        }
        #expect(!message.contains(massif.directory.path), "\(name) tells a path: \(message)")
      }
      let good = try #require(answers["good"])
      #expect(good["bytes"] as? Int == 64)
    }
  }
}
