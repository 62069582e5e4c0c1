// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The threads that compute, shared by all plans of a process.
///
/// A call of `parallelFor` hands tiles out dynamically to whoever is free: the caller works too, so
/// a pool of one thread runs everything in place. Which thread ran a tile must not change results:
/// callers partition their work by shape. Calls may come from many threads at once and from within a
/// tile. An idle thread spins for some tens of microseconds and then sleeps; a sleeping or preempted
/// thread delays nobody, because the caller takes the tiles that it leaves.
public final class WorkerPool: Sendable {
  /// What runs a tile: the caller's context, the tile, and the worker's index in `0..<threadCount`.
  public typealias TileBody =
    @convention(c) (_ context: UnsafeMutableRawPointer?, _ tile: Int, _ worker: Int) -> Void

  /// Threads that work on a call, the calling one included.
  public let threadCount: Int
  private let shared: Shared
  private let threads: [pthread_t]

  /// Starts a pool.
  ///
  /// - Parameter threadCount: threads that compute, the caller of `parallelFor` among them; `nil` for
  ///   one for each processor that this process may use.
  /// - Throws: `.invalidArgument` when it is not in 1...1024, `.tooLarge` when the system starts no thread.
  public init(threadCount: Int? = nil) throws(RuntimeError) {
    let count = threadCount ?? Self.availableProcessors
    guard (1...1024).contains(count) else {
      throw RuntimeError(
        .invalidArgument, "a pool has 1 to 1024 threads; came \(count)", field: "threadCount")
    }
    let shared = Shared()
    var threads: [pthread_t] = []
    for worker in 1..<count {
      guard let thread = shared.startThread(as: worker) else {
        shared.stop(threads)
        throw RuntimeError(.tooLarge, "the system starts no more than \(worker) threads")
      }
      threads.append(thread)
    }
    self.threadCount = count
    self.shared = shared
    self.threads = threads
  }

  deinit { shared.stop(threads) }

  /// Processors that are switched on.
  public static var availableProcessors: Int {
    max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  /// Runs `body` for every index in `0..<count` and returns when all are done.
  ///
  /// Any thread may call it, within a tile too. Costs under a microsecond when nobody sleeps.
  public func parallelFor(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { escaping in
      var box: @Sendable (Int) -> Void = unsafeBitCast(escaping, to: (@Sendable (Int) -> Void).self)
      withUnsafeMutablePointer(to: &box) { pointer in
        // SAFETY: the pointer is used by tiles only, and all tiles are done when the call returns.
        parallelFor(count, context: pointer) { context, tile, _ in
          context?.assumingMemoryBound(to: (@Sendable (Int) -> Void).self).pointee(tile)
        }
      }
    }
  }

  /// The same, with the worker's index: see `parallelFor(_:context:body:)`.
  public func parallelFor(_ count: Int, _ body: (_ tile: Int, _ worker: Int) -> Void) {
    withoutActuallyEscaping(body) { escaping in
      var box: @Sendable (Int, Int) -> Void = unsafeBitCast(
        escaping, to: (@Sendable (Int, Int) -> Void).self)
      withUnsafeMutablePointer(to: &box) { pointer in
        // SAFETY: the pointer is used by tiles only, and all tiles are done when the call returns.
        parallelFor(count, context: pointer) { context, tile, worker in
          context?.assumingMemoryBound(to: (@Sendable (Int, Int) -> Void).self)
            .pointee(tile, worker)
        }
      }
    }
  }

  /// The same for a C function and a context, with the worker's index: tiles that run at the same
  /// time within one call have different workers, so it may choose scratch memory.
  ///
  /// Allocates nothing.
  public func parallelFor(
    _ count: Int, context: UnsafeMutableRawPointer?, body: @escaping TileBody
  ) {
    guard count > 1, threadCount > 1, let job = shared.takeJob() else {
      for tile in 0..<max(0, count) { body(context, tile, 0) }
      return
    }
    job.publish(count: count, context: context, body: body)
    shared.announce()
    job.runTiles(as: 0)
    job.finish(spins: Shared.spins)
  }
}

extension WorkerPool {
  /// What the threads know of the pool: it outlives them, so they do not keep the pool alive.
  private final class Shared: Sendable {
    /// About 20 µs on a current machine: longer than the gap between two steps of a plan, shorter
    /// than what a wake-up costs twice.
    static let spins = 2_000
    /// Calls at the same time that get help; one more runs alone on its caller.
    private static let jobCount = 16

    private let jobs: [ParallelJob]
    private let epoch = Atomic<UInt32>(0)
    private let sleeping = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let sleeper = Sleeper()

    init() { jobs = (0..<Self.jobCount).map { _ in ParallelJob() } }

    func takeJob() -> ParallelJob? { jobs.first { $0.tryTake() } }

    /// Tells the threads that there is a job.
    func announce() {
      epoch.add(1, ordering: .sequentiallyConsistent)
      if sleeping.load(ordering: .sequentiallyConsistent) > 0 { sleeper.wake() }
    }

    func startThread(as worker: Int) -> pthread_t? {
      var thread = pthread_t()
      let start = Unmanaged.passRetained(ThreadStart(shared: self, worker: worker))
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
          start.shared.run(as: start.worker)
          return nil
        }, start.toOpaque())
      guard status == 0 else {
        start.release()
        return nil
      }
      return thread
    }

    func stop(_ threads: [pthread_t]) {
      isStopping.store(true, ordering: .sequentiallyConsistent)
      epoch.add(1, ordering: .sequentiallyConsistent)
      sleeper.wake()
      for thread in threads { pthread_join(thread, nil) }
    }

    private func run(as worker: Int) {
      while true {
        let seen = epoch.load(ordering: .sequentiallyConsistent)
        if isStopping.load(ordering: .sequentiallyConsistent) { return }
        var helped = false
        for job in jobs where job.hasTiles {
          if job.help(as: worker) { helped = true }
        }
        if !helped { awaitChange(of: seen) }
      }
    }

    private func awaitChange(of seen: UInt32) {
      for _ in 0..<Self.spins {
        if epoch.load(ordering: .acquiring) != seen { return }
        spinPause()
      }
      sleeping.add(1, ordering: .sequentiallyConsistent)
      sleeper.wait { epoch.load(ordering: .sequentiallyConsistent) != seen }
      sleeping.subtract(1, ordering: .sequentiallyConsistent)
    }
  }

  /// What a new thread is handed.
  private final class ThreadStart: Sendable {
    let shared: Shared
    let worker: Int

    init(shared: Shared, worker: Int) {
      self.shared = shared
      self.worker = worker
    }
  }
}
