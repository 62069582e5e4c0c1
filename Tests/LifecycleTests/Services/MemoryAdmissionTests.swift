// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

/// A plugin whose model would take 100 GB: refused by its estimate, wherever it comes from.
@Suite struct MemoryAdmissionTests {
  /// Making a model fails otherwise than by the estimate, so that it has not been tried.
  private static let greedy = Result {
    try CompiledPlugin(
      source: """
        #include "massif_plugin.h"
        static msf_status validate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                                   msf_error *e) { return MSF_OK; }
        static msf_status estimate(const msf_plugin *p, msf_string c, const msf_dataset *d,
                                   msf_memory_estimate *estimate, msf_error *e) {
          estimate->inference_byte_count = 100ULL << 30;
          return MSF_OK;
        }
        static msf_status create(const msf_plugin *p, const msf_model_request *r,
                                 const msf_model **model, msf_error *e) { return MSF_ABORTED; }
        static msf_status train(const msf_plugin *p, const msf_trainer_request *r,
                                const msf_trainer **t, msf_error *e) { return MSF_ABORTED; }
        static const msf_plugin plugin = {.struct_size = sizeof plugin, .abi_major = MSF_ABI_MAJOR,
          .abi_minor = MSF_ABI_MINOR, .name = {"greedy", 6}, .version = {"1", 1},
          .capabilities = MSF_INFERENCE | MSF_TRAINING, .configuration_schema = {"{}", 2},
          .validate = validate, .estimate_memory = estimate, .create_model = create,
          .create_trainer = train};
        MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) { return &plugin; }
        """)
  }

  private func fixture(
    _ isolation: Massif_V1_PluginIsolation
  ) async throws -> ControlPlaneFixture {
    let fixture = try ControlPlaneFixture(launcher: FailingLauncher()) {
      $0.allowsUnsignedPlugins = true
    }
    let file = try Self.greedy.get().bytes
    let requests: [Massif_V1_RegisterPluginRequest] = [
      .with {
        $0.header.byteCount = UInt64(file.count)
        $0.header.sha256 = TestData.sha256(file)
        $0.header.isolation = isolation
      },
      .with { $0.chunk = Data(file) },
    ]
    _ = try await fixture.controlPlane.plugins.register(
      Replay(requests), ControlPlaneFixture.context(team: "admins"))
    try await fixture.upload(TestData.file())
    return fixture
  }

  private func check(_ error: RPCError?, _ what: String) {
    #expect(error?.code == .resourceExhausted, "\(what): \(String(describing: error))")
    let quota = error?.details.contains { detail in
      if case .quotaFailure(let violations) = detail { return violations[0].subject == "memory" }
      return false
    }
    #expect(quota == true, "\(what): \(String(describing: error?.details))")
  }

  @Test(arguments: [Massif_V1_PluginIsolation.inProcess, .isolated])
  func isRefusedWithATypedError(isolation: Massif_V1_PluginIsolation) async throws {
    let fixture = try await fixture(isolation)
    let created = await failure {
      try await fixture.controlPlane.models.createVersion(
        .with {
          $0.name = "big"
          $0.plugin = "greedy"
          $0.configuration = "{}"
        }, ControlPlaneFixture.context())
    }
    check(created, "CreateVersion")
    #expect(created?.message.contains("\(100 << 30)") == true, "\(created?.message ?? "")")
    let submitted = await failure {
      try await fixture.submit {
        $0.specification.plugin = "greedy"
        $0.specification.configuration = "{}"
      }
    }
    check(submitted, "SubmitJob")
    #expect(try fixture.store.unendedJobs().isEmpty)
    let models = try await fixture.controlPlane.models.list(
      .init(), ControlPlaneFixture.context())
    #expect(models.models.isEmpty)
  }
}
