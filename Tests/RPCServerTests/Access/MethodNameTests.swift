// SPDX-License-Identifier: Apache-2.0
import RPCServer
import Testing

struct MethodNameTests {
  @Test func partsAreNamed() throws {
    let name = try #require(MethodName(path: "/inference.GRPCInferenceService/ModelInfer"))
    #expect(name.service == "inference.GRPCInferenceService")
    #expect(name.method == "ModelInfer")
  }

  @Test(arguments: ["", "/", "//", "a/b", "/a", "/a/", "//b", "/a/b/c", "/a/b/"])
  func everythingElseIsNone(path: String) {
    #expect(MethodName(path: path) == nil)
  }
}
