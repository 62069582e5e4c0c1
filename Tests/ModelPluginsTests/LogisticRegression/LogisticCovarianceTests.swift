// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// Standard errors beside statsmodels' of the same data.
struct LogisticCovarianceTests {
  private func fit(_ target: String, penalty: String = #""none""#) throws -> JSONValue {
    let golden = try FamilyGolden("logistic-errors")
    var data = TableData()
    data.add("train/x", try golden.values("x", as: Float.self), row: [10])
    data.add("train/y", try golden.values(target, as: Int32.self))
    let (_, artifacts) = try FamilyChecks.fit(
      "logistic-regression",
      #"{"target":"y","penalty":\#(penalty),"tolerance":1e-7,"max_iterations":2000}"#,
      data.view())
    return try FamilyChecks.report(artifacts)
  }

  /// The rows of a table of the report: (class, column) and the errors beside them.
  private func errors(_ report: JSONValue, _ table: String, of key: String) throws -> [String:
    Double]
  {
    guard case .array(let rows)? = report[table] else { throw TestFailure("no \(table)") }
    var errors: [String: Double] = [:]
    for row in rows {
      guard case .string(let name)? = row["class"], case .number(let value, _)? = row[key] else {
        throw TestFailure("\(row)")
      }
      var column = ""
      if case .string(let text)? = row["column"] { column = text }
      errors[name + column] = value
    }
    return errors
  }

  private struct TestFailure: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }

  @Test(
    "Of two classes they are statsmodels' Logit's", arguments: ["standard_error", "coefficient"])
  func binary(_ key: String) throws {
    let golden = try FamilyGolden("logistic-errors")
    let report = try fit("y")
    let name = key == "coefficient" ? "coefficients" : "errors"
    let expected: [Double] = try golden.values("half_\(name)")
    let errors: [Double] = try golden.values("half_errors")
    let found = try self.errors(report, "coefficients", of: key)
    for (column, value) in expected.enumerated() {
      let own = try #require(found["1x[\(column)]"])
      // The coefficients themselves are as exact as single precision makes the gradient.
      let scale = key == "coefficient" ? 5e-2 * errors[column] : 5e-3 * value
      #expect(abs(own - value) < scale)
    }
    if key == "standard_error" {
      let own = try self.errors(report, "intercepts", of: key)
      let intercept: [Double] = try golden.values("half_intercept_error")
      #expect(abs(try #require(own["1"]) - intercept[0]) < 5e-3 * intercept[0])
    }
  }

  @Test("Of three they are MNLogit's, for parameters that add up to 0")
  func several() throws {
    let golden = try FamilyGolden("logistic-errors")
    let report = try fit("thirds")
    let expected: [Double] = try golden.values("thirds_errors")
    let found = try errors(report, "coefficients", of: "standard_error")
    for (index, value) in expected.enumerated() {
      let own = try #require(found["\(index / 10)x[\(index % 10)]"])
      // Columns nearly depend on each other: single precision ends early along such directions.
      #expect(abs(own - value) < 3e-2 * value)
    }
    let intercepts: [Double] = try golden.values("thirds_intercept_errors")
    let own = try errors(report, "intercepts", of: "standard_error")
    for (index, value) in intercepts.enumerated() {
      #expect(abs(try #require(own["\(index)"]) - value) < 3e-2 * value)
    }
  }

  @Test("A penalty makes them smaller; one that sets coefficients to 0 leaves none")
  func penalties() throws {
    let free = try errors(fit("y"), "coefficients", of: "standard_error")
    let held = try errors(
      fit("y", penalty: #""l2","c":0.01"#), "coefficients", of: "standard_error")
    for (name, error) in free { #expect(try #require(held[name]) <= error * 1.001) }
    let sparse = try fit("y", penalty: #""l1","c":1"#)
    guard case .array(let rows)? = sparse["coefficients"] else { throw TestFailure("no table") }
    #expect(rows.allSatisfy { $0["standard_error"] == nil })
  }
}
