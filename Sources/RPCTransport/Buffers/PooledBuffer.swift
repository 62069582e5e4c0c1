// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Bytes in memory that is counted by reference and returns to its pool with the last reference.
///
/// One owner fills it; from then on it is shared and only read. That order, and not a lock, is
/// what makes it sendable.
public final class PooledBuffer: @unchecked Sendable {
  // One owner at a time writes, and no access runs code of others: without the dynamic checks,
  // which show in profiles of small calls.

  /// The memory; valid as long as this object.
  @exclusivity(unchecked) public private(set) var base: UnsafeMutableRawPointer
  /// The bytes that the memory holds from `base` on.
  @exclusivity(unchecked) public private(set) var capacity: Int
  /// The bytes that are filled, from the beginning.
  @exclusivity(unchecked) public var count = 0 {
    didSet { precondition(count >= 0 && count <= capacity, "count outside of the capacity") }
  }
  private let pool: BufferPool?
  /// Whether this is one of a loop's ``SmallBuffers``.
  public let isSmall: Bool
  /// Bytes of the memory before `base`.
  @exclusivity(unchecked) private var padding = 0
  /// Where the capacity is counted until the memory is returned.
  private var budget: DecompressionBudget?

  init(memory: UnsafeMutableRawPointer, capacity: Int, pool: BufferPool) {
    base = memory
    self.capacity = capacity
    self.pool = pool
    isSmall = false
  }

  /// Makes an empty buffer outside of any pool.
  ///
  /// - Precondition: the system has that much memory; for sizes that a peer names see
  ///   ``init(ifAvailable:)``.
  public convenience init(capacity: Int) {
    precondition(capacity >= 0, "negative capacity")
    guard let memory = malloc(max(capacity, 16)) else {
      preconditionFailure("no memory for a buffer of \(capacity) bytes")
    }
    self.init(memory: memory, capacity: capacity)
  }

  /// Makes an empty buffer outside of any pool, or nil where the system has no such memory.
  public convenience init?(ifAvailable capacity: Int) {
    guard capacity >= 0, let memory = malloc(max(capacity, 16)) else { return nil }
    self.init(memory: memory, capacity: capacity)
  }

  private init(memory: UnsafeMutableRawPointer, capacity: Int, isSmall: Bool = false) {
    base = memory
    self.capacity = max(capacity, 16)
    pool = nil
    self.isSmall = isSmall
  }

  /// Makes one of a loop's ``SmallBuffers``; nil where there is no memory.
  convenience init?(small capacity: Int) {
    guard let memory = malloc(capacity) else { return nil }
    self.init(memory: memory, capacity: capacity, isSmall: true)
  }

  /// Makes a buffer that nobody holds as it was when it was made.
  func empty() {
    base -= padding
    capacity += padding
    padding = 0
    count = 0
  }

  /// Makes a buffer outside of any pool that holds a copy of `bytes`.
  public convenience init(copying bytes: some Collection<UInt8>) {
    self.init(capacity: bytes.count)
    fill(bytes)
  }

  func fill(_ bytes: some Collection<UInt8>) {
    UnsafeMutableRawBufferPointer(start: base, count: capacity).copyBytes(from: bytes)
    count = bytes.count
  }

  /// Gives the capacity back to a budget, which has counted it, when the buffer goes.
  func isCounted(by budget: DecompressionBudget) { self.budget = budget }

  /// Moves the beginning of an empty buffer, so that the byte at `offset` lies on a boundary of
  /// `alignment` bytes; costs up to `alignment - 1` bytes of the capacity.
  func align(byteAt offset: Int, to alignment: Int) {
    precondition(count == 0 && alignment > 0 && alignment & (alignment - 1) == 0)
    let address = Int(bitPattern: base) &+ offset
    let padding = -address & (alignment - 1)
    precondition(padding <= capacity, "the buffer is too small")
    base += padding
    capacity -= padding
    self.padding += padding
  }

  deinit {
    budget?.giveBack(capacity)
    let memory = base - padding
    if let pool { pool.giveBack(memory, capacity: capacity + padding) } else { free(memory) }
  }

  /// The filled bytes; valid as long as this object.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// A copy of the filled bytes.
  public var array: [UInt8] { [UInt8](bytes) }

  /// Adds a copy of `bytes` behind the filled bytes.
  ///
  /// - Precondition: they fit in the capacity.
  public func append(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count <= capacity - count, "the buffer is full")
    guard let source = bytes.baseAddress else { return }
    // SAFETY: the range count ..< count + bytes.count lies in the capacity, checked above.
    (base + count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }
}
