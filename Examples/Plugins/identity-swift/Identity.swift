// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
public import PluginKit

struct IdentityPlugin: ModelPlugin {
  let name = "identity-swift", version = "1.0.0"
  func makeModel(_ request: ModelRequest) throws -> any Model {
    try JSONDecoder().decode(Identity.self, from: Data(request.configuration.utf8))
  }
}

/// Answers with its input, copying nothing.
final class Identity: Model, Decodable {
  let datatype: DataType?, shape: [Int]?
  var inputs: [TensorSpecification] { [.init("INPUT0", datatype ?? .fp32, shape ?? [-1])] }
  var outputs: [TensorSpecification] { [.init("OUTPUT0", datatype ?? .fp32, shape ?? [-1])] }
  var executesInline: Bool { true }
  func execute(_ call: Execution) throws { try call.alias(output: 0, input: 0) }
}

/// The one symbol of the library.
@c(massif_plugin_entry)
public func entry(_ host: HostTable) -> PluginTable { export(IdentityPlugin(), to: host) }
