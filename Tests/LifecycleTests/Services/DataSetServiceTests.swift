// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

@Suite struct DataSetServiceTests {
  @Test func keepsWhatWasUploaded() async throws {
    let fixture = try ControlPlaneFixture()
    let file = try TestData.file()
    let dataset = try await fixture.upload(file)
    #expect(dataset.name == "vision/squares")
    #expect(dataset.byteCount == UInt64(file.count))
    #expect(dataset.metadata == ["source": "test"])
    #expect(dataset.audit.createdBy == "spiffe://massif.test/team/vision/ann")
    let images = try #require(dataset.tensors.first { $0.name == "train/images" })
    #expect(images.datatype == "UINT8")
    #expect(images.shape == [64, 4, 4, 1])
    let found = try await fixture.controlPlane.datasets.get(
      .with { $0.name = "squares" }, ControlPlaneFixture.context())
    #expect(found == dataset)
    // Once more is the same data set, other content is refused.
    #expect(try await fixture.upload(file) == dataset)
    let other = try TestData.file(training: 32)
    let refused = await failure { try await fixture.upload(other) }
    #expect(refused?.code == .alreadyExists)
  }

  @Test func refusesWhatItWasNotTold() async throws {
    let fixture = try ControlPlaneFixture()
    let file = try TestData.file()
    let digest = try #require(Digest(bytes: [UInt8](repeating: 1, count: 32)))
    let failures = [
      await failure { try await fixture.upload(file, announcing: digest) },
      await failure { try await fixture.upload(file, byteCount: file.count + 1) },
      await failure { try await fixture.upload(file, byteCount: file.count - 1) },
      await failure { try await fixture.upload(Array("no safetensors".utf8)) },
      await failure { try await fixture.upload(Array(file.dropLast())) },
      await failure { try await fixture.upload(file, as: "../squares") },
      await failure { try await fixture.upload([], as: "squares") },
    ]
    #expect(failures.map(\.?.code) == Array(repeating: .invalidArgument, count: failures.count))
    #expect(failures[5]?.fields == ["header.name"])
    #expect(failures[6]?.fields == ["header.byte_count"])
    for failure in failures {
      #expect(failure?.message.contains(fixture.directory.path) == false)
    }
    #expect(await failure { try await get(fixture, "squares") }?.code == .notFound)
    #expect(
      try FileManager.default.contentsOfDirectory(
        atPath: fixture.directory.path + "/store/incoming"
      ).isEmpty)
    #expect(
      try FileManager.default.contentsOfDirectory(
        atPath: fixture.directory.path + "/store/datasets"
      ).isEmpty)
  }

  @Test func refusesWhatIsOutOfOrder() async throws {
    let fixture = try ControlPlaneFixture()
    let header = Massif_V1_UploadDataSetRequest.with {
      $0.header = .with {
        $0.name = "squares"
        $0.byteCount = 10
        $0.sha256 = Data(repeating: 0, count: 32)
      }
    }
    let chunk = Massif_V1_UploadDataSetRequest.with { $0.chunk = Data("x".utf8) }
    for requests in [[], [chunk], [header, header], [header, chunk, header], [.init()]] {
      let error = await failure { try await fixture.upload(requests) }
      #expect(error?.code == .invalidArgument)
      #expect(error?.fields == ["header"])
    }
    var short = header
    short.header.sha256 = Data(repeating: 0, count: 31)
    #expect(
      await failure { try await fixture.upload([short]) }?.fields == ["header.sha256"])
  }

  @Test func refusesWhatIsTooLarge() async throws {
    let fixture = try ControlPlaneFixture { $0.maxDataSetByteCount = 100 }
    let file = try TestData.file()
    #expect(await failure { try await fixture.upload(file) }?.code == .resourceExhausted)
  }

  @Test func tellsOtherTeamsNothing() async throws {
    let fixture = try ControlPlaneFixture()
    try await fixture.upload(TestData.file())
    let there = await failure { try await get(fixture, "vision/squares", team: "nlp") }
    let nowhere = await failure { try await get(fixture, "vision/circles", team: "nlp") }
    #expect(there?.code == .notFound)
    #expect(
      there?.message == nowhere?.message.replacingOccurrences(of: "circles", with: "squares"))
    #expect(
      await failure { try await fixture.upload(TestData.file(), as: "vision/x", team: "nlp") }?
        .code == .notFound)
    let list = await failure {
      try await fixture.controlPlane.datasets.list(
        .with { $0.team = "vision" }, ControlPlaneFixture.context(team: "nlp"))
    }
    #expect(list?.code == .notFound)
    #expect(try await get(fixture, "vision/squares", team: "admins").name == "vision/squares")
  }

  @Test func listsByPages() async throws {
    let fixture = try ControlPlaneFixture()
    for name in ["c", "a", "b"] { try await fixture.upload(TestData.file(), as: name) }
    var names: [String] = []
    var token = ""
    repeat {
      let page = try await fixture.controlPlane.datasets.list(
        .with {
          $0.page.pageSize = 2
          $0.page.pageToken = token
        }, ControlPlaneFixture.context())
      #expect(page.datasets.count <= 2)
      names += page.datasets.map(\.name)
      token = page.nextPageToken
    } while !token.isEmpty
    #expect(names == ["vision/a", "vision/b", "vision/c"])
    for request in [
      Massif_V1_ListDataSetsRequest.with { $0.page.pageSize = -1 },
      .with { $0.page.pageSize = 1001 }, .with { $0.page.pageToken = "../" },
    ] {
      let error = await failure {
        try await fixture.controlPlane.datasets.list(request, ControlPlaneFixture.context())
      }
      #expect(error?.code == .invalidArgument)
    }
  }

  private func get(
    _ fixture: ControlPlaneFixture, _ name: String, team: String = "vision"
  ) async throws -> Massif_V1_DataSet {
    try await fixture.controlPlane.datasets.get(
      .with { $0.name = name }, ControlPlaneFixture.context(team: team))
  }
}
