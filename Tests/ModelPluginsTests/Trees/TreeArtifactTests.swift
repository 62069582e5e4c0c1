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
    #expect(sums == [1 + 3, 2 + 4, 1 + 4, 1 + 4, 1 + 4])
  }

  /// A sound file, and one change of it.
  struct Damage: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var node = 0
    var change: @Sendable (inout TreeLink) -> Void = { _ in }
    var roots: [Int32] = [0, 3]
    var values: [Float] = [1, 2, 3, 4]
  }

  static let damages: [Damage] = [
    Damage(testDescription: "a child before its parent", node: 3) { $0.left = 1 },
    Damage(testDescription: "a node that is its own child") { $0.right = 0 },
    Damage(testDescription: "a child in the next tree") { $0.right = 4 },
    Damage(testDescription: "a child beyond the end", node: 3) { $0.right = 6 },
    Damage(testDescription: "a child far beyond") { $0.left = .max },
    Damage(testDescription: "a leaf that is not there", node: 2) { $0.left = 4 },
    Damage(testDescription: "a column that is not there") { $0.column = 2 },
    Damage(testDescription: "a huge column") { $0.column = TreeLink.columnMask },
    Damage(testDescription: "numbers asked for a set") {
      $0.column |= TreeLink.categoricalFlag
    },
    Damage(testDescription: "categories compared", node: 3) {
      $0.column &= ~TreeLink.categoricalFlag
    },
    Damage(testDescription: "a set that is not there", node: 3) {
      $0.threshold = Float(bitPattern: 1)
    },
    Damage(testDescription: "a threshold of NaN") { $0.threshold = .nan },
    Damage(testDescription: "roots that descend", roots: [3, 0]),
    Damage(testDescription: "a root beyond the end", roots: [0, 6]),
    Damage(testDescription: "a negative root", roots: [0, -1]),
    Damage(testDescription: "a first tree that begins late", roots: [3]),
    Damage(testDescription: "no trees for the nodes", roots: []),
    Damage(testDescription: "an infinite value", values: [1, 2, .infinity, 4]),
    Damage(testDescription: "too few values", values: [1, 2, 3]),
  ]

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
