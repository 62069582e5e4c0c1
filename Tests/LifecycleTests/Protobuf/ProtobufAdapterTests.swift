// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct ProtobufAdapterTests {
  private func message(_ bytes: [UInt8]) -> ReceivedMessage {
    ReceivedMessage(PooledBuffer(copying: bytes))
  }

  @Test func readsAndWritesMessages() throws {
    let request = Massif_V1_GetJobRequest.with { $0.id = "job-1" }
    let bytes: [UInt8] = try request.serializedBytes()
    #expect(try Massif_V1_GetJobRequest(received: message(bytes)) == request)
    #expect(try request.outgoing().byteCount == bytes.count)
    #expect(try Massif_V1_GetJobRequest(received: message([])).id.isEmpty)
  }

  @Test(arguments: [
    [0x0a, 0x05, 0x61],  // a string cut short
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],  // a length of 2^64 - 1
    [0x0a, 0x01, 0xff],  // no UTF-8
    [0x0f],  // no wire type
    [UInt8](repeating: 0x0b, count: 100_000),  // groups within groups
  ])
  func refusesMalformedMessages(_ bytes: [UInt8]) {
    let error = #expect(throws: RPCError.self) {
      try Massif_V1_GetJobRequest(received: message(bytes))
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test func registersEveryMethod() throws {
    let fixture = try ControlPlaneFixture()
    var router = Router()
    fixture.controlPlane.register(in: &router)
    let permissions = Dictionary(
      uniqueKeysWithValues: router.methods.map { ($0.name.path, $0.permission) })
    #expect(
      permissions == [
        "/massif.v1.DataSets/UploadDataSet": .write, "/massif.v1.DataSets/ListDataSets": .read,
        "/massif.v1.DataSets/GetDataSet": .read, "/massif.v1.Jobs/SubmitJob": .write,
        "/massif.v1.Jobs/ListJobs": .read, "/massif.v1.Jobs/GetJob": .read,
        "/massif.v1.Jobs/WatchJob": .read, "/massif.v1.Jobs/CancelJob": .write,
        "/massif.v1.Environments/Connect": .write,
        "/massif.v1.Models/ListModels": .read, "/massif.v1.Models/GetModel": .read,
        "/massif.v1.Models/DeployModel": .write, "/massif.v1.Models/UndeployModel": .write,
        "/massif.v1.Models/SetAlias": .write, "/massif.v1.Models/DeleteAlias": .write,
        "/massif.v1.Models/CreateVersion": .write, "/massif.v1.Models/GetReport": .read,
        "/massif.v1.Models/QuantizeModel": .write,
        "/massif.v1.Plugins/RegisterPlugin": .administer,
        "/massif.v1.Plugins/MovePlugin": .administer,
        "/massif.v1.Plugins/RetirePlugin": .administer, "/massif.v1.Plugins/ListPlugins": .read,
        "/massif.v1.Plugins/DescribePlugin": .read,
      ])
  }

  @Test func translatesErrors() {
    let store = RPCError(translating: StoreError(.resourceExhausted, "the disk is full"))
    #expect(store.code == .resourceExhausted)
    #expect(store.message == "the disk is full")
    let plugin = RPCError(
      translating: PluginError(field: "configuration.epochs", "expected 1 or more, came 0"),
      field: "specification")
    #expect(plugin.code == .invalidArgument)
    #expect(plugin.fields == ["specification.configuration.epochs"])
    #expect(RPCError(translating: PluginError(.unimplemented, "no")).code == .unimplemented)
    let runtime = RPCError(
      translating: RuntimeError(.malformed, "came 3 bytes", field: "x"), field: "chunk")
    #expect(runtime.fields == ["chunk.x"])
    struct Secret: Error {}
    #expect(RPCError(translating: Secret()).code == .internal)
    #expect(RPCError(translating: CancellationError()).code == .cancelled)
  }
}
