// SPDX-License-Identifier: Apache-2.0

/// A handle to memory that a program's steps use; where it lies is decided when all steps are known.
struct Buffer: Hashable, Sendable {
  let index: Int
}

/// What a step sees of a run: where its buffers are, how many samples there are, at which step training is.
///
/// `@unchecked Sendable`: tiles on several threads read it; they write to disjoint parts of buffers.
struct Frame: @unchecked Sendable {
  let pointers: UnsafePointer<UnsafeMutableRawPointer>
  let scratch: UnsafeMutableRawPointer
  let scratchStride: Int
  let batch: Int
  /// Steps of training done, this one included; zero in inference.
  let step: UInt64
  let seed: UInt64
  let learningRate: Float

  func floats(_ buffer: Buffer) -> UnsafeMutablePointer<Float> {
    pointers[buffer.index].assumingMemoryBound(to: Float.self)
  }

  /// The same for an operand that may be absent.
  func constants(_ buffer: Buffer?) -> UnsafePointer<Float>? {
    guard let buffer else { return nil }
    return UnsafePointer(floats(buffer))
  }

  func raw(_ buffer: Buffer) -> UnsafeMutableRawPointer { pointers[buffer.index] }

  /// Memory of the worker's own until the tile ends; its contents are whatever was left there.
  func scratch(_ worker: Int) -> UnsafeMutablePointer<Float> {
    (scratch + worker * scratchStride).assumingMemoryBound(to: Float.self)
  }
}

/// One parallel call of a kernel: tiles that may run in any order and on any thread.
struct Step: Sendable {
  /// How many tiles there are for a batch; a function of shapes only, never of the thread count.
  typealias Tiles = @Sendable (_ batch: Int) -> Int
  typealias Body = @Sendable (_ frame: borrowing Frame, _ tile: Int, _ worker: Int) -> Void

  let name: String
  let tiles: Tiles
  let body: Body
}

/// Where a buffer lies.
enum Storage: Sendable, Hashable {
  /// In the arena of a run, at this byte, shared with buffers that live at other times.
  case arena(offset: Int)
  /// In memory made with the program, at this byte: packed weights.
  case resident(offset: Int)
  /// In the parameters, at this float.
  case parameter(offset: Int)
  /// In the gradients, at this float: they are laid out as the parameters.
  case gradient(offset: Int)
  /// In the caller's memory.
  case input(index: Int)
}

/// Steps in order and the memory that they need; immutable, shared by all runs.
struct Program: Sendable {
  /// Run once when the parameters are set or have changed: packing of weights.
  let prologue: [Step]
  let steps: [Step]
  let storages: [Storage]
  let arenaByteCount: Int
  /// What the arena would be if no two buffers shared their place.
  let unsharedByteCount: Int
  let residentByteCount: Int
  let scratchByteCount: Int
  /// Buffers of the results, in the order they were asked for.
  let outputs: [Buffer]
  /// Integers to be checked before a run: they index memory.
  let indexChecks: [(input: Int, count: Int)]
  /// Parameter buffers that `steps` read, the prologue apart.
  let parametersRead: [Buffer]
}

/// Memory and pointers of one run at a time of a program.
///
/// Not thread-safe: its owner runs it from one thread at a time.
final class ProgramMemory {
  let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let pointerCount: Int
  private let arena: AlignedMemory
  private let scratch: AlignedMemory
  private let scratchStride: Int
  private let inputBuffers: [(buffer: Int, input: Int)]
  /// Who owns the memory pointed to.
  private let owners: [AlignedMemory]

  /// Allocates a run's memory and fills in every pointer but the inputs'.
  init(
    _ program: Program, workers: Int, resident: AlignedMemory, parameters: AlignedMemory,
    gradients: AlignedMemory?
  ) throws(RuntimeError) {
    arena = try AlignedMemory(byteCount: program.arenaByteCount)
    // Workers' parts begin on pages of their own, so that no two write to one cache line.
    scratchStride = (program.scratchByteCount + 4095) / 4096 * 4096
    scratch = try AlignedMemory(byteCount: scratchStride * workers)
    pointerCount = program.storages.count
    pointers = .allocate(capacity: max(1, pointerCount))
    owners = [resident, parameters] + (gradients.map { [$0] } ?? [])
    var inputBuffers: [(buffer: Int, input: Int)] = []
    for (index, storage) in program.storages.enumerated() {
      let pointer: UnsafeMutableRawPointer
      switch storage {
      case .arena(let offset): pointer = arena.base + offset
      case .resident(let offset): pointer = resident.base + offset
      case .parameter(let offset): pointer = UnsafeMutableRawPointer(parameters.floats + offset)
      case .gradient(let offset):
        guard let gradients else { preconditionFailure("a program with gradients needs memory") }
        pointer = UnsafeMutableRawPointer(gradients.floats + offset)
      case .input(let input):
        pointer = arena.base
        inputBuffers.append((index, input))
      }
      (pointers + index).initialize(to: pointer)
    }
    self.inputBuffers = inputBuffers
  }

  deinit { pointers.deallocate() }

  var byteCount: Int { arena.byteCount + scratch.byteCount }

  func setInput(_ input: Int, _ pointer: UnsafeMutableRawPointer) {
    for entry in inputBuffers where entry.input == input { pointers[entry.buffer] = pointer }
  }

  func frame(
    batch: Int, step: UInt64 = 0, seed: UInt64 = 0, learningRate: Float = 0
  ) -> Frame {
    Frame(
      pointers: UnsafePointer(pointers), scratch: scratch.base, scratchStride: scratchStride,
      batch: batch, step: step, seed: seed, learningRate: learningRate)
  }
}

extension WorkerPool {
  /// Runs steps one after the other, each spread over the pool.
  ///
  /// Allocates nothing.
  func run(_ steps: [Step], _ frame: Frame) {
    for step in steps {
      var invocation = (step, frame)
      let tiles = step.tiles(frame.batch)
      withUnsafeMutablePointer(to: &invocation) { pointer in
        // SAFETY: tiles use the invocation, and all are done when parallelFor returns.
        parallelFor(tiles, context: pointer) { context, tile, worker in
          guard let context else { return }
          let call = context.assumingMemoryBound(to: (Step, Frame).self)
          call.pointee.0.body(call.pointee.1, tile, worker)
        }
      }
    }
  }
}
