// SPDX-License-Identifier: Apache-2.0

/// Writes metrics in Prometheus' text format 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats).
public struct MetricsText: Sendable {
  /// The media type of the text.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// What has been written.
  public private(set) var text = ""

  /// Makes an empty text.
  public init() {}

  /// What kind of metric follows.
  public enum Kind: String, Sendable {
    case counter
    case gauge
    case histogram
  }

  /// Begins a metric; its samples follow at once.
  public mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  /// Adds a sample of a counter or gauge.
  public mutating func sample(
    _ name: String, _ value: UInt64, _ labels: KeyValuePairs<String, String> = [:]
  ) {
    text += name
    write(labels)
    text += " \(value)\n"
  }

  /// Adds a sample of a counter or gauge that is no whole number.
  public mutating func sample(
    _ name: String, _ value: Double, _ labels: KeyValuePairs<String, String> = [:]
  ) {
    text += name
    write(labels)
    text += " \(value)\n"
  }

  /// Adds a histogram: cumulative buckets, sum and count.
  ///
  /// - Parameters:
  ///   - bounds: the upper bounds of the buckets but the last, whose is infinite.
  ///   - buckets: how many values fell into each; one more than `bounds`.
  ///   - scale: of a unit of `bounds` and `sum` in the metric's unit.
  public mutating func histogram(
    _ name: String, _ labels: KeyValuePairs<String, String>, bounds: [UInt64], buckets: [UInt64],
    sum: UInt64, scale: Double = 1
  ) {
    var total: UInt64 = 0
    for (index, count) in buckets.enumerated() {
      total &+= count
      text += "\(name)_bucket"
      let bound = index < bounds.count ? Self.number(Double(bounds[index]) * scale) : "+Inf"
      write(labels, last: ("le", bound))
      text += " \(total)\n"
    }
    text += "\(name)_sum"
    write(labels)
    text += " \(Self.number(Double(sum) * scale))\n\(name)_count"
    write(labels)
    text += " \(total)\n"
  }

  private static func number(_ value: Double) -> String {
    value.rounded() == value && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }

  private mutating func write(
    _ labels: KeyValuePairs<String, String>, last: (key: String, value: String)? = nil
  ) {
    guard !labels.isEmpty || last != nil else { return }
    var parts = labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
    if let last { parts.append("\(last.key)=\"\(last.value)\"") }
    text += "{\(parts.joined(separator: ","))}"
  }

  private static func escaped(_ value: String) -> String {
    var escaped = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.unicodeScalars.append(character)
      }
    }
    return escaped
  }
}
