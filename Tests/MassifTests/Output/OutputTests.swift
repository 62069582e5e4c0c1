// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import MassifClient
import SwiftProtobuf
import Testing

@testable import massif

struct JSONValueTests {
  @Test func writesOneLineOfJSON() throws {
    let value: JSONValue = [
      "text": "a\"b\\c\n\t\u{1}é", "integer": -3, "unsigned": .unsigned(.max),
      "number": .number(0.25),
      "whole": .number(3), "none": .null, "yes": .bool(true), "list": [1, [], .number(.nan)],
      "object": [:],
    ]
    #expect(
      value.text
        == #"{"text":"a\"b\\c\n\t\u0001é","integer":-3,"unsigned":18446744073709551615,"#
        + #""number":0.25,"whole":3,"none":null,"yes":true,"list":[1,[],null],"object":{}}"#)
    let parsed = try JSONSerialization.jsonObject(with: Data(value.text.utf8)) as? [String: Any]
    #expect(parsed?["text"] as? String == "a\"b\\c\n\t\u{1}é")
  }
}

struct QuantityTests {
  @Test func writesNumbersForPeople() {
    #expect(Quantity.grouped(0) == "0")
    #expect(Quantity.grouped(999) == "999")
    #expect(Quantity.grouped(-1000) == "-1,000")
    #expect(Quantity.grouped(UInt64.max) == "18,446,744,073,709,551,615")
    #expect(Quantity.bytes(999) == "999 B")
    #expect(Quantity.bytes(54_880_000) == "54.9 MB")
    #expect(Quantity.time(seconds: 65) == "1:05")
    #expect(Quantity.time(seconds: 3725) == "1:02:05")
    #expect(Quantity.time(seconds: .nan) == "-:--")
    #expect(Quantity.fixed(0.91449, 4) == "0.9145")
    #expect(Quantity.fixed(-0.00001, 4) == "0.0000")
    #expect(Quantity.fixed(12, 0) == "12")
    #expect(Quantity.fixed(.infinity, 2) == "inf")
  }
}

struct TextTableTests {
  @Test func alignsColumns() {
    var table = TextTable("A", "LONG", "C")
    table.append("xyz", "1", "")
    table.append("x", "12345", "end")
    #expect(table.lines == ["A    LONG   C", "xyz  1", "x    12345  end"])
  }
}

struct ServerErrorTextTests {
  @Test func namesTheFieldAndWhatToDo() {
    let error = MassifError(
      .invalidArgument, "the specification is refused",
      fieldViolations: [
        .init(field: "configuration.layers[2].units", description: "expected 1 or more, came 0")
      ])
    #expect(
      ServerErrorText.text(error) == """
        the specification is refused
          configuration.layers[2].units: expected 1 or more, came 0
        """)
  }

  /// The server puts a single violation into the message too; it is not said twice.
  @Test func saysAViolationOnce() {
    let error = MassifError(
      .invalidArgument, "id: expected a job's id",
      fieldViolations: [.init(field: "id", description: "expected a job's id")])
    #expect(ServerErrorText.text(error) == "id: expected a job's id")
  }

  @Test func hintsAtTheRemedy() {
    #expect(ServerErrorText.text(MassifError(.unavailable, "x")).contains("massif serve"))
    #expect(ServerErrorText.text(MassifError(.notFound, "")).hasPrefix("NOT_FOUND\n  hint: "))
    let crashed = MassifError(.unavailable, "the isolated plugin crashed (signal 11)")
    #expect(!ServerErrorText.text(crashed).contains("massif serve"))
    let missing = MassifError(.notFound, "plugin mine does not exist")
    #expect(ServerErrorText.text(missing).contains("massif plugins list"))
    let caller = MassifError(.permissionDenied, "spiffe://a/team/b/c may not administer plugin *")
    #expect(ServerErrorText.text(caller).contains("--as"))
    let key = MassifError(.permissionDenied, "the plugin is signed with a key not trusted")
    #expect(!ServerErrorText.text(key).contains("--as"))
  }
}

struct MessagesTests {
  @Test func aJobHasEveryFieldAlways() throws {
    let json = try JSONSerialization.jsonObject(with: Data(Massif_V1_Job().json.text.utf8))
    let job = try #require(json as? [String: Any])
    #expect(
      Set(job.keys) == [
        "id", "state", "error", "model", "dataset", "plugin", "seed", "version", "progress",
        "epochs", "continue_version", "attempts", "resumed_after_epoch", "created", "created_by",
        "started", "ended",
      ])
    #expect(job["progress"] is NSNull)
  }

  @Test func statesHaveNoPrefix() {
    #expect(Massif_V1_JobState.succeeded.text == "SUCCEEDED")
    #expect(Massif_V1_ServingState.ready.text == "READY")
  }

  @Test func timesAreRFC3339() {
    let time = Google_Protobuf_Timestamp(seconds: 1_700_000_000, nanos: 0)
    #expect(time.text == "2023-11-14T22:13:20Z")
    #expect(Google_Protobuf_Timestamp().text == "")
  }

  @Test func tensorsReadWell() {
    let tensor = Massif_V1_TensorDescription.with {
      $0.name = "images"
      $0.datatype = "UINT8"
      $0.shape = [-1, 28, 28, 1]
    }
    #expect(tensor.text == "images UINT8 [any, 28, 28, 1]")
  }
}
