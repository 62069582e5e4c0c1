// SPDX-License-Identifier: Apache-2.0

extension PlanExplanation.Step {
  /// The operation with what was merged into it: `conv2d + relu`.
  public var title: String { ([name] + fused).joined(separator: " + ") }
}

extension PlanExplanation {
  private static let width = 380
  private static let height = 44
  private static let gap = 26
  private static let margin = 20

  /// The plan as a drawing, SVG 1.1: a box for each input and operation from top to bottom, a line for each
  /// operand; one that skips boxes goes round them.
  public var svg: String {
    let boxes =
      inputs.map { (title: $0.name, line: $0.type.description, isInput: true) }
      + steps.map { step in
        let work = "\(Self.short(step.operationCount)) FLOP"
        let parameters =
          step.parameterCount > 0 ? ", \(Self.short(Double(step.parameterCount))) parameters" : ""
        return (step.title, "\(step.result), \(work)\(parameters)", false)
      }
    let pitch = Self.height + Self.gap
    let (drawingWidth, drawingHeight) = (
      Self.width + 2 * Self.margin + 80, boxes.count * pitch - Self.gap + 2 * Self.margin
    )
    func top(_ box: Int) -> Int { Self.margin + box * pitch }
    let middle = Self.margin + Self.width / 2
    let right = Self.margin + Self.width

    var lines = [
      #"<svg xmlns="http://www.w3.org/2000/svg" width="\#(drawingWidth)" height="\#(drawingHeight)" "#
        + #"font-family="sans-serif" font-size="12">"#
    ]
    for (index, step) in steps.enumerated() {
      let target = inputs.count + index
      for source in step.sources {
        let origin: Int
        switch source {
        case .input(let name): origin = inputs.firstIndex { $0.name == name } ?? 0
        case .step(let position): origin = inputs.count + position
        }
        let path: String
        if origin == target - 1 {
          path = "M \(middle) \(top(origin) + Self.height) V \(top(target))"
        } else {
          let (from, to) = (top(origin) + Self.height / 2, top(target) + Self.height / 2)
          path = "M \(right) \(from) C \(right + 70) \(from) \(right + 70) \(to) \(right) \(to)"
        }
        lines.append(#"<path d="\#(path)" fill="none" stroke="gray"/>"#)
      }
    }
    for (index, box) in boxes.enumerated() {
      let fill = box.isInput ? "#e8f1e4" : "#e6ecf5"
      lines.append(
        #"<rect x="\#(Self.margin)" y="\#(top(index))" width="\#(Self.width)" "#
          + #"height="\#(Self.height)" rx="6" fill="\#(fill)" stroke="gray"/>"#)
      for (text, offset, weight) in [(box.title, 18, "bold"), (box.line, 35, "normal")] {
        lines.append(
          #"<text x="\#(middle)" y="\#(top(index) + offset)" text-anchor="middle" "#
            + #"font-weight="\#(weight)">\#(Self.escaped(text))</text>"#)
      }
    }
    return lines.joined(separator: "\n") + "\n</svg>\n"
  }

  /// 1,234,567 as `1.23 M`.
  static func short(_ count: Double) -> String {
    var (value, unit) = (count, 0)
    let units = ["", " k", " M", " G", " T"]
    while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    let hundredths = Int((value * 100).rounded())
    let (whole, rest) = (hundredths / 100, hundredths % 100)
    guard rest > 0 else { return "\(whole)\(units[unit])" }
    let digits = rest < 10 ? "0\(rest)" : rest % 10 == 0 ? "\(rest / 10)" : "\(rest)"
    return "\(whole).\(digits)\(units[unit])"
  }

  /// Text as XML holds it.
  private static func escaped(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
  }
}
