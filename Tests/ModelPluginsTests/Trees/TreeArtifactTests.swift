// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// What a hostile or damaged file may hold, and that it is refused.
@Suite struct TreeArtifactTests {
  /// Two trees over a number and a category: a split of each, and leaves.
  private static var sound: [TreeLink] {
    [
      .split(column: 0, threshold: 1, categorySet: nil, missingGoLeft: true, left: 1, right: 2),
      .leaf(0), .leaf(1),
      .split(column: 1, threshold: 0, categorySet: 0, missingGoLeft: false, left: 4, right: 5),
      .leaf(2), .leaf(3),
    ]
  }

  private static func bundle(
    _ links: [TreeLink], roots: [Int32] = [0, 3], values: [Float] = [1, 2, 3, 4],
    sets: [UInt32] = [1, 0, 0, 0, 0, 0, 0, 0]
  ) -> TensorBundle {
    var bundle = TensorBundle()
    TreeEnsemble(
      width: 1, columnCount: 2, links: links, roots: roots, values: values, categorySets: sets
    ).write(to: &bundle)
    return bundle
  }

  private static func read(_ bundle: TensorBundle) throws -> TreeEnsemble {
    try TreeEnsemble(bundle, width: 1, isCategorical: [false, true])
  }

  @Test func aSoundFileIsReadAndAnswers() throws {
    let ensemble = try Self.read(Self.bundle(Self.sound))
    let workers = try WorkerPool(threadCount: 1)
    let kernels = TreeKernels(try InstructionSet.preferred())
    // A number below and above, a missing one; a category of the set, one not, an unknown one.
    let rows: [Float] = [0, 0, 5, 1, .nan, .nan, 1, 300, -1, -1]
    var sums = [Double](repeating: 0, count: 5)
    ensemble.addScores(
      of: rows, count: 5, to: &sums, .everyOutput, workers: workers, kernels: kernels)
    // The leaves of the first tree have 1 and 2, those of the second 3 and 4.
    let expected: [Double] = [4, 6, 5, 5, 5]
    #expect(sums == expected)
  }

  /// A sound file, and one change of it.
  struct Damage: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var node = 0
    var change: @Sendable (inout TreeLink) -> Void = { _ in }
    var roots: [Int32] = [0, 3]
    var values: [Float] = [1, 2, 3, 4]

    init(_ what: String, node: Int, change: @escaping @Sendable (inout TreeLink) -> Void) {
      testDescription = what
      self.node = node
      self.change = change
    }

    init(_ what: String, roots: [Int32]) {
      testDescription = what
      self.roots = roots
    }

    init(_ what: String, values: [Float]) {
      testDescription = what
      self.values = values
    }
  }

  static let damages: [Damage] = {
    var all: [Damage] = []
    all.append(Damage("a child before its parent", node: 3) { $0.left = 1 })
    all.append(Damage("a node that is its own child", node: 0) { $0.right = 0 })
    all.append(Damage("a child in the next tree", node: 0) { $0.right = 4 })
    all.append(Damage("a child beyond the end", node: 3) { $0.right = 6 })
    all.append(Damage("a child far beyond", node: 0) { $0.left = UInt32.max })
    all.append(Damage("a leaf that is not there", node: 2) { $0.left = 4 })
    all.append(Damage("a column that is not there", node: 0) { $0.column = 2 })
    all.append(Damage("a huge column", node: 0) { $0.column = TreeLink.columnMask })
    all.append(Damage("numbers asked for a set", node: 0) { $0.column |= TreeLink.categoricalFlag })
    all.append(Damage("categories compared", node: 3) { $0.column &= ~TreeLink.categoricalFlag })
    all.append(
      Damage("a set that is not there", node: 3) { $0.threshold = Float(bitPattern: 1) })
    all.append(Damage("a threshold of NaN", node: 0) { $0.threshold = Float.nan })
    all.append(Damage("roots that descend", roots: [3, 0]))
    all.append(Damage("a root beyond the end", roots: [0, 6]))
    all.append(Damage("a negative root", roots: [0, -1]))
    all.append(Damage("a first tree that begins late", roots: [3]))
    all.append(Damage("no trees for the nodes", roots: []))
    all.append(Damage("an infinite value", values: [1, 2, Float.infinity, 4]))
    all.append(Damage("too few values", values: [1, 2, 3]))
    return all
  }()

  @Test(arguments: damages)
  func aDamagedFileIsRefused(damage: Damage) {
    var links = Self.sound
    damage.change(&links[damage.node])
    let bundle = Self.bundle(links, roots: damage.roots, values: damage.values)
    let error = failure { _ = try Self.read(bundle) }
    #expect(error?.code == .dataLoss)
  }

  @Test func aModelOfAnotherShapeIsRefused() throws {
    let run = try TreeRun(
      "gradient-boosting", #"{"target":"y","rounds":2}"#, try TreeGolden().data("wine"))
    let artifacts = try run.exported()
    let text = String(decoding: try #require(artifacts["model.json"]), as: UTF8.self)
    func load(_ text: String) -> PluginError? {
      failure {
        _ = try run.plugin.makeModel(
          artifacts: artifacts.map {
            Artifact(name: $0.key, copying: $0.key == "model.json" ? Array(text.utf8) : $0.value)
          }, configuration: "{}")
      }
    }
    #expect(load(text) == nil)
    #expect(load(text.replacing("softmax", with: "mean")) != nil)
    #expect(load(text.replacing("[0,1,2]", with: "[0,1]")) != nil)
    #expect(load(text.replacing("\"shape\":[13]", with: "\"shape\":[3]")) != nil)
    #expect(load(text.replacing("256", with: "0")) != nil)
  }
}
