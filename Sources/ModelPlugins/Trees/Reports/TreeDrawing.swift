// SPDX-License-Identifier: Apache-2.0

/// A tree as an SVG drawing: its upper levels, parents centred above their children.
///
/// A box says what the node asks, how many samples come to it and what it predicts; its colour is
/// the class's, the stronger the purer, or goes with the number that is predicted. A bar shows the
/// shares of the classes.
struct TreeDrawing {
  private let tree: GrownTree
  private let legend: TreeLegend
  private let criterion: String
  private let drawn: [Box]
  private let size: (width: Double, height: Double)

  /// A node with its place.
  private struct Box {
    var node: Int
    var depth: Int
    var x: Double
    var children: [Int] = []
    /// Whether its children are left out.
    var isCut = false
  }

  /// Levels that a drawing shows; what is deeper is in the text.
  private static let maxDepth = 5
  private static let box = (width: 176.0, height: 74.0)
  private static let gap = (x: 14.0, y: 46.0)
  private static let margin = 24.0

  init(_ tree: GrownTree, _ legend: TreeLegend, criterion: String) {
    (self.tree, self.legend, self.criterion) = (tree, legend, criterion)
    var boxes: [Box] = []
    var nextX = Self.margin
    _ = Self.place(0, depth: 0, tree, &boxes, &nextX)
    drawn = boxes
    let depth = boxes.map(\.depth).max() ?? 0
    size = (
      max(nextX - Self.gap.x + Self.margin, 480),
      Self.margin * 2 + 30 + Double(depth + 1) * (Self.box.height + Self.gap.y)
    )
  }

  /// Places a subtree: leaves side by side, parents in the middle of their children.
  private static func place(
    _ node: Int, depth: Int, _ tree: GrownTree, _ boxes: inout [Box], _ nextX: inout Double
  ) -> Int {
    var box = Box(node: node, depth: depth, x: 0)
    let isLeaf = tree.nodes[node].isLeaf
    if isLeaf || depth == maxDepth {
      box.isCut = !isLeaf
      box.x = nextX
      nextX += Self.box.width + gap.x
    } else {
      let left = place(Int(tree.nodes[node].left), depth: depth + 1, tree, &boxes, &nextX)
      let right = place(Int(tree.nodes[node].right), depth: depth + 1, tree, &boxes, &nextX)
      box.children = [left, right]
      box.x = (boxes[left].x + boxes[right].x) / 2
    }
    boxes.append(box)
    return boxes.count - 1
  }

  /// The drawing as a file.
  var svg: String {
    var lines = [
      #"<svg xmlns="http://www.w3.org/2000/svg" width="\#(Self.short(size.width))" "#
        + #"height="\#(Self.short(size.height))" "#
        + #"viewBox="0 0 \#(Self.short(size.width)) \#(Self.short(size.height))" "#
        + #"font-family="Helvetica, Arial, sans-serif" font-size="11">"#,
      ##"<rect width="100%" height="100%" fill="#ffffff"/>"##,
      text(
        "\(legend.target): \(tree.leafCount) leaves, depth \(tree.depth)", Self.margin,
        Self.margin + 6, ##"font-size="15" font-weight="bold" fill="#222222""##),
    ]
    lines += classLegend
    for box in drawn { lines += edges(of: box) }
    for box in drawn { lines += shapes(of: box) }
    return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private func y(_ box: Box) -> Double {
    Self.margin + 30 + Double(box.depth) * (Self.box.height + Self.gap.y)
  }

  private func edges(of box: Box) -> [String] {
    var lines: [String] = []
    let (x, y) = (box.x + Self.box.width / 2, y(box) + Self.box.height)
    for (side, child) in box.children.enumerated() {
      let other = drawn[child]
      let (endX, endY) = (other.x + Self.box.width / 2, self.y(other))
      let middle = (y + endY) / 2
      let share = Double(tree.nodes[other.node].samples) / Double(max(tree.nodes[0].samples, 1))
      let width = 1 + 5 * share.squareRoot()
      lines.append(
        #"<path d="M\#(Self.short(x)) \#(Self.short(y)) C\#(Self.short(x)) \#(Self.short(middle)) "#
          + #"\#(Self.short(endX)) \#(Self.short(middle)) \#(Self.short(endX)) "#
          + ##"\##(Self.short(endY))" fill="none" stroke="#b8bec6" "##
          + #"stroke-width="\#(Self.short(width))"/>"#
      )
      lines.append(
        text(
          side == 0 ? "yes" : "no", (x + endX) / 2 + (side == 0 ? -8 : 8), middle - 4,
          ##"text-anchor="\##(side == 0 ? "end" : "start")" fill="#6b7280" font-size="10""##))
    }
    if box.isCut {
      lines.append(
        text("⋮", x, y + 16, ##"text-anchor="middle" fill="#6b7280" font-size="16""##))
    }
    return lines
  }

  private func shapes(of box: Box) -> [String] {
    let node = tree.nodes[box.node]
    let (x, y) = (box.x, y(box))
    let prediction = legend.prediction(of: box.node, in: tree)
    let fill = Palette.tint(of: colour(box.node), strength: strength(box.node))
    let head =
      node.isLeaf ? prediction.text : legend.condition(node, of: tree, limit: 3)
    var lines = [
      #"<g><title>\#(Self.escaped(tooltip(box.node)))</title>"#,
      #"<rect x="\#(Self.short(x))" y="\#(Self.short(y))" width="\#(Self.short(Self.box.width))" "#
        + #"height="\#(Self.short(Self.box.height))" rx="\#(node.isLeaf ? 14 : 4)" fill="\#(fill)" "#
        + #"stroke="\#(colour(box.node))" stroke-width="1.2"/>"#,
      text(
        Self.clipped(head, 27), x + Self.box.width / 2, y + 18,
        ##"text-anchor="middle" font-size="12" font-weight="bold" fill="#111827""##),
      text(
        Self.clipped(detail(box.node, prediction), 32), x + Self.box.width / 2, y + 35,
        ##"text-anchor="middle" fill="#374151""##),
      text(
        "\(node.samples) \(node.samples == 1 ? "sample" : "samples")", x + Self.box.width / 2,
        y + 50,
        ##"text-anchor="middle" fill="#6b7280" font-size="10""##),
    ]
    lines += bar(box.node, x: x + 12, y: y + 58, width: Self.box.width - 24)
    return lines + ["</g>"]
  }

  private func detail(
    _ node: Int, _ prediction: (text: String, index: Int, share: Double)
  ) -> String {
    guard legend.classes != nil else {
      return "\(prediction.text) ± \(TreeLegend.number(tree.nodes[node].impurity.squareRoot()))"
    }
    let share = TreeLegend.number((prediction.share * 1000).rounded() / 10)
    return tree.nodes[node].isLeaf ? "\(share) % of it" : "\(prediction.text), \(share) %"
  }

  private func tooltip(_ node: Int) -> String {
    let values = tree.value(of: node)
    let shares =
      legend.classes.map { classes in
        zip(classes, values).filter { $0.1 > 0 }.sorted { $0.1 > $1.1 }.prefix(12)
          .map { "\($0.0) \(TreeLegend.number(Double($0.1)))" }.joined(separator: ", ")
      } ?? TreeLegend.number(Double(values.first ?? 0))
    return "\(criterion) \(TreeLegend.number(tree.nodes[node].impurity)); \(shares)"
  }

  /// The shares of the classes, or how far along the range of all numbers the node's lies.
  private func bar(_ node: Int, x: Double, y: Double, width: Double) -> [String] {
    func part(_ x: Double, _ width: Double, _ colour: String) -> String {
      #"<rect x="\#(Self.short(x))" y="\#(Self.short(y))" width="\#(Self.short(width))" height="6" "#
        + #"fill="\#(colour)"/>"#
    }
    guard legend.classes != nil else {
      let place = x + width * position(node)
      return [part(x, width, "#e5e7eb"), part(place - 2, 4, colour(node))]
    }
    var lines: [String] = []
    var start = x
    for (index, share) in tree.value(of: node).enumerated() where share > 0 {
      let length = width * Double(share)
      lines.append(part(start, length, Palette.colour(index)))
      start += length
    }
    return lines
  }

  private var classLegend: [String] {
    guard let classes = legend.classes, classes.count <= 12 else { return [] }
    var lines: [String] = []
    var x = Self.margin
    for (index, name) in classes.enumerated() {
      let label = Self.clipped(name, 18)
      let length = 26 + 6.5 * Double(label.count)
      guard x + length < size.width else { break }
      lines.append(
        #"<rect x="\#(Self.short(x))" y="\#(Self.short(Self.margin + 14))" width="10" height="10" "#
          + #"rx="2" fill="\#(Palette.colour(index))"/>"#)
      lines.append(text(label, x + 14, Self.margin + 23, ##"fill="#374151""##))
      x += length
    }
    return lines
  }

  private func colour(_ node: Int) -> String {
    guard legend.classes != nil else { return Palette.ramp(position(node)) }
    return Palette.colour(legend.prediction(of: node, in: tree).index)
  }

  /// From 0, as mixed as can be, to 1, pure.
  private func strength(_ node: Int) -> Double {
    guard let classes = legend.classes else { return 0.6 }
    let least = 1 / Double(max(classes.count, 2))
    return max(0, (legend.prediction(of: node, in: tree).share - least) / (1 - least))
  }

  /// From 0, the least number that any node predicts, to 1, the greatest.
  private func position(_ node: Int) -> Double {
    let least = Double(tree.values.min() ?? 0)
    let range = Double(tree.values.max() ?? 0) - least
    return range > 0 ? (Double(tree.value(of: node).first ?? 0) - least) / range : 0.5
  }

  private func text(_ content: String, _ x: Double, _ y: Double, _ attributes: String) -> String {
    #"<text x="\#(Self.short(x))" y="\#(Self.short(y))" \#(attributes)>\#(Self.escaped(content))</text>"#
  }

  private static func clipped(_ text: String, _ length: Int) -> String {
    text.count <= length ? text : text.prefix(length - 1) + "…"
  }

  private static func short(_ value: Double) -> String {
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)"
  }

  /// Text within an element or an attribute: names come from the data.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // XML 1.0 has no other control characters.
      case "\u{0}"..<" ": result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// Colours that stay apart for readers who see few of them (Okabe and Ito, 2008, first).
private enum Palette {
  private static let colours = [
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167), (86, 180, 233),
    (148, 133, 20), (110, 110, 110), (117, 80, 166), (166, 86, 40), (23, 140, 150), (200, 60, 90),
  ]

  static func colour(_ index: Int) -> String { hexadecimal(colours[index % colours.count]) }

  /// From blue over grey to orange.
  static func ramp(_ position: Double) -> String {
    let (low, middle, high) = ((0.0, 114.0, 178.0), (150.0, 150.0, 150.0), (213.0, 94.0, 0.0))
    let (from, to, t) =
      position < 0.5 ? (low, middle, position * 2) : (middle, high, position * 2 - 1)
    return hexadecimal(
      (
        Int(from.0 + (to.0 - from.0) * t), Int(from.1 + (to.1 - from.1) * t),
        Int(from.2 + (to.2 - from.2) * t)
      ))
  }

  /// A colour towards white.
  static func tint(of colour: String, strength: Double) -> String {
    let value = Int(colour.dropFirst(), radix: 16) ?? 0
    let share = 0.06 + 0.34 * strength
    func mixed(_ part: Int) -> Int { Int(255 + (Double(part) - 255) * share) }
    return hexadecimal((mixed(value >> 16 & 255), mixed(value >> 8 & 255), mixed(value & 255)))
  }

  private static func hexadecimal(_ colour: (Int, Int, Int)) -> String {
    let digits = String(colour.0 << 16 | colour.1 << 8 | colour.2, radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
  }
}
