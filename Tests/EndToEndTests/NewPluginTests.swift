// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What `massif plugins new` writes, built by its own build line, tested by its own test and served.
@Suite(.serialized) struct NewPluginTests {
  @Test(arguments: [("c", "my-scale", "my-scale"), ("swift", "my-scale", "MyScale")])
  func buildsTestsAndServes(language: String, name: String, module: String) async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    let shell = { (command: String) in
      try await Program.run(
        URL(filePath: "/bin/sh"), ["-c", "cd '\(massif.directory.path)' && \(command)"],
        seconds: 300)
    }
    let made = try await shell(
      "'\(BuildProducts.massif.path)' plugins new --language \(language) \(name)")
    #expect(made.status == 0, "\(made.errors)")
    let again = try await shell(
      "'\(BuildProducts.massif.path)' plugins new --language \(language) \(name)")
    #expect(again.errors.contains("is there already"))
    let tested = try await shell("make -C \(name) test")
    #expect(tested.status == 0, "\(tested.output) \(tested.errors)")
    #expect(tested.output.contains("ok \(name) 0.1.0"))

    let library = massif.directory.appending(path: "\(name)/lib\(module).so").path
    _ = try await massif.massifJSON(["plugins", "register", library], as: "admin")
    _ = try await massif.massifJSON([
      "models", "create", "scale", "--plugin", name, "--configuration", #"{"factor": 2}"#,
    ])
    _ = try await massif.massifJSON(["deploy", "scale"])
    let request = massif.directory.appending(path: "ask.json")
    try Data(
      #"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[3],"data":[1,2,3]}]}"#.utf8
    ).write(to: request)
    let answer = try await massif.massifJSON(["infer", "scale", request.path])
    let output = try #require((answer["outputs"] as? [[String: Any]])?.first)
    #expect(output["data"] as? [Double] == [2, 4, 6])
  }
}
