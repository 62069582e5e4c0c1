// SPDX-License-Identifier: Apache-2.0

/// Memory of a model's own for the inputs of one call: requests that are put together there are
/// copied once.
///
/// Used by one thread, before the call; the model's next call reads it.
public final class LentInputs {
  private let memories: [UnsafeMutableRawBufferPointer]
  private var filled: [Int]
  private let copy: (UnsafeMutableRawPointer, UnsafeRawBufferPointer) -> Void
  /// What keeps the memory, to be given with the inputs that lie in it.
  public let owner: AnyObject

  /// - Parameters:
  ///   - memories: one for each input, of the size that was asked for.
  ///   - copy: how bytes come into them.
  init(
    _ memories: [UnsafeMutableRawBufferPointer], owner: AnyObject,
    copy: @escaping (UnsafeMutableRawPointer, UnsafeRawBufferPointer) -> Void
  ) {
    self.memories = memories
    self.owner = owner
    self.copy = copy
    filled = Array(repeating: 0, count: memories.count)
  }

  /// Adds bytes behind those that input `index` has already.
  ///
  /// - Precondition: they fit into what was asked for.
  public func append(_ bytes: UnsafeRawBufferPointer, to index: Int) {
    let memory = memories[index]
    precondition(bytes.count <= memory.count - filled[index], "more than was asked for")
    guard let base = memory.baseAddress, !bytes.isEmpty else { return }
    copy(base + filled[index], bytes)
    filled[index] += bytes.count
  }

  /// What input `index` has so far.
  public func bytes(_ index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: memories[index][..<filled[index]])
  }
}
