// SPDX-License-Identifier: Apache-2.0

/// The last transitions that were seen, in a ring.
struct ReplayBuffer {
  let capacity: Int
  let elementCount: Int
  /// Transitions held.
  private(set) var count = 0
  /// Where the next one goes.
  private(set) var position = 0

  private var observations: [Float]
  private var nextObservations: [Float]
  private var actions: [Int32]
  private var rewards: [Float]
  private var terminated: [UInt8]

  init(capacity: Int, elementCount: Int) {
    self.capacity = capacity
    self.elementCount = elementCount
    observations = Array(repeating: 0, count: capacity * elementCount)
    nextObservations = Array(repeating: 0, count: capacity * elementCount)
    actions = Array(repeating: 0, count: capacity)
    rewards = Array(repeating: 0, count: capacity)
    terminated = Array(repeating: 0, count: capacity)
  }

  /// Adds a transition in place of the oldest.
  ///
  /// - Returns: where it is.
  mutating func add(
    _ observation: UnsafePointer<Float>, action: Int, reward: Float,
    next: UnsafePointer<Float>, terminated ends: Bool
  ) -> Int {
    let place = position
    let start = place * elementCount
    observations.withUnsafeMutableBufferPointer { buffer in
      for index in 0..<elementCount { buffer[start + index] = observation[index] }
    }
    nextObservations.withUnsafeMutableBufferPointer { buffer in
      for index in 0..<elementCount { buffer[start + index] = next[index] }
    }
    actions[place] = Int32(truncatingIfNeeded: action)
    rewards[place] = reward
    terminated[place] = ends ? 1 : 0
    position = (position + 1) % capacity
    count = min(count + 1, capacity)
    return place
  }

  /// Copies transitions into a batch.
  func gather(_ places: [Int], into batch: ReplayBatch) {
    observations.withUnsafeBufferPointer { observations in
      nextObservations.withUnsafeBufferPointer { next in
        for (row, place) in places.enumerated() {
          let (to, from) = (row * elementCount, place * elementCount)
          for index in 0..<elementCount {
            batch.observations[to + index] = observations[from + index]
            batch.nextObservations[to + index] = next[from + index]
          }
          batch.actions[row] = actions[place]
          batch.rewards[row] = rewards[place]
          batch.continues[row] = terminated[place] == 0 ? 1 : 0
        }
      }
    }
  }

  /// Puts what is held into a checkpoint.
  func save(to bundle: inout TensorBundle) {
    let shape = [count, elementCount]
    bundle.set(
      "replay.observations", Array(observations.prefix(count * elementCount)), shape: shape)
    bundle.set(
      "replay.next_observations", Array(nextObservations.prefix(count * elementCount)), shape: shape
    )
    bundle.set("replay.actions", Array(actions.prefix(count)))
    bundle.set("replay.rewards", Array(rewards.prefix(count)))
    bundle.set("replay.terminated", Array(terminated.prefix(count)))
    bundle.set("replay.position", [Int64(position)])
  }

  /// Takes up what a checkpoint holds.
  mutating func restore(from bundle: TensorBundle) throws(PluginError) {
    let actions: [Int32] = try bundle.values("replay.actions", shape: [-1])
    let count = actions.count
    let position: [Int64] = try bundle.values("replay.position", shape: [1])
    guard count <= capacity, (0..<Int64(capacity)).contains(position[0]) else {
      throw PluginError(.dataLoss, "the checkpoint holds more transitions than the replay takes")
    }
    let shape = [count, elementCount]
    observations.restore(try bundle.values("replay.observations", shape: shape))
    nextObservations.restore(try bundle.values("replay.next_observations", shape: shape))
    self.actions.restore(actions)
    rewards.restore(try bundle.values("replay.rewards", shape: [count]))
    terminated.restore(try bundle.values("replay.terminated", shape: [count]))
    self.count = count
    self.position = Int(position[0])
  }
}

extension Array {
  /// Replaces the elements at the front.
  fileprivate mutating func restore(_ elements: [Element]) {
    replaceSubrange(0..<elements.count, with: elements)
  }
}

/// Memory for the transitions of one step of learning.
final class ReplayBatch {
  let size: Int
  let observations: UnsafeMutableBufferPointer<Float>
  let nextObservations: UnsafeMutableBufferPointer<Float>
  let actions: UnsafeMutableBufferPointer<Int32>
  let rewards: UnsafeMutableBufferPointer<Float>
  /// 0 where the episode ended with the transition, 1 otherwise.
  let continues: UnsafeMutableBufferPointer<Float>
  let targets: UnsafeMutableBufferPointer<Float>
  let weights: UnsafeMutableBufferPointer<Float>

  init(size: Int, elementCount: Int) {
    func floats(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
      let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count * MemoryLayout<Float>.size, alignment: 64)
      let floats = memory.bindMemory(to: Float.self)
      floats.initialize(repeating: 0)
      return floats
    }
    self.size = size
    observations = floats(size * elementCount)
    nextObservations = floats(size * elementCount)
    rewards = floats(size)
    continues = floats(size)
    targets = floats(size)
    weights = floats(size)
    actions = .allocate(capacity: size)
    actions.initialize(repeating: 0)
  }

  deinit {
    for memory in [observations, nextObservations, rewards, continues, targets, weights] {
      memory.deallocate()
    }
    actions.deallocate()
  }
}
