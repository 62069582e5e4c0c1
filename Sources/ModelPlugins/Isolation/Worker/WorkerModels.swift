// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The models of a worker, by the numbers that the host gave them.
final class WorkerModels: Sendable {
  /// A model and the executions that nobody uses.
  final class Entry: Sendable {
    let model: PluginModel
    private let idle = Mutex<[PluginExecution]>([])

    init(_ model: PluginModel) {
      self.model = model
    }

    func take() -> PluginExecution {
      idle.withLock { $0.popLast() } ?? model.makeExecution()
    }

    func giveBack(_ execution: PluginExecution) {
      idle.withLock { $0.append(execution) }
    }
  }

  private let entries = Mutex<[UInt32: Entry]>([:])

  subscript(number: UInt32) -> Entry? { entries.withLock { $0[number] } }

  func add(_ model: PluginModel, as number: UInt32) {
    entries.withLock { $0[number] = Entry(model) }
  }

  /// The model goes when its last call has ended.
  func remove(_ number: UInt32) {
    _ = entries.withLock { $0.removeValue(forKey: number) }
  }
}
