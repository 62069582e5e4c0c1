// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc
import Runtime
import Synchronization

/// What `massif-plugin-worker` runs: one plugin, in a sandbox, for the host at the other end of a
/// socket.
///
/// Everything here may be in the hands of the plugin once that is loaded: nothing in the worker is a
/// defence, the sandbox and the host are.
public enum IsolatedWorker {
  /// Where a worker finds its socket: the first descriptor behind the three that every process has.
  public static let descriptor: Int32 = 3

  /// Serves the plugin until the host is gone, then ends the process.
  public static func run() -> Never {
    cs_close_from(UInt32(descriptor) + 1)
    // The thread that started the worker lives as long as the host wants the worker.
    _ = cs_end_with_parent()
    signal(SIGPIPE, SIG_IGN)
    let channel = ControlChannel(descriptor: descriptor)
    guard let frame = channel.receive(), frame.kind == FrameKind.load.rawValue else {
      exit(EXIT_FAILURE)
    }
    do throws(PluginError) {
      let (plugin, sandbox) = try load(frame, channel)
      let served = ServedPlugin(plugin, channel: channel)
      channel.send(
        .answer, number: frame.number, WirePlugin(plugin, sandbox: sandbox.report).encoded)
      served.serve()
    } catch {
      channel.send(.failure, number: frame.number, error.encoded)
      exit(EXIT_FAILURE)
    }
    // At once: nothing of the plugin's is to run any more, its destructors included.
    _exit(EXIT_SUCCESS)
  }

  private static func load(
    _ frame: ControlChannel.Frame, _ channel: ControlChannel
  ) throws(PluginError) -> (ModelPlugin, Sandbox) {
    let request = try LoadRequest(decoding: frame.body)
    guard let library = frame.descriptors.first,
      let instructionSet = InstructionSet.available.first(where: {
        $0.name == request.instructionSet
      })
    else { throw WireDecoder.malformed }
    var sandbox = try Sandbox(
      serving: descriptor, maxMemoryByteCount: request.maxMemoryByteCount)
    let workers: WorkerPool
    do throws(RuntimeError) {
      workers = try WorkerPool(threadCount: request.threadCount)
    } catch {
      throw PluginError(.resourceExhausted, error.description)
    }
    let plugin = try PluginLibrary.load(
      PluginImage(verified: library, digest: request.label), workers: workers,
      instructionSet: instructionSet, limits: request.limits
    ) { level, text in
      // The host puts the name before the line itself: this one may lie.
      let line = text.firstRange(of: ": ").map { String(text[$0.upperBound...]) } ?? text
      channel.send(.log, number: 0, LogLine(level: level, text: line).encoded)
    }
    try sandbox.finishLoading(channel: descriptor)
    return (plugin, sandbox)
  }
}

/// A loaded plugin, its models and its slots.
private final class ServedPlugin: Sendable {
  private let plugin: ModelPlugin
  private let channel: ControlChannel
  private let models = WorkerModels()
  /// What has been asked for and takes its time, in order.
  private let queue = ControlQueue()

  init(_ plugin: ModelPlugin, channel: ControlChannel) {
    self.plugin = plugin
    self.channel = channel
  }

  /// Does what the host asks for until it is gone.
  func serve() {
    DetachedThread.start { [queue] in queue.run() }
    while let frame = channel.receive() {
      // A slot is needed by a call that waits; everything else runs behind what came before it.
      if frame.kind == FrameKind.addSlot.rawValue {
        addSlot(frame)
      } else {
        queue.add { self.perform(frame) }
      }
    }
  }

  private func addSlot(_ frame: ControlChannel.Frame) {
    guard let request = try? SlotRequest(decoding: frame.body),
      let descriptor = frame.descriptors.first,
      let slot = WorkerSlot(descriptor: descriptor, layout: request.layout, models: models)
    else { exit(EXIT_FAILURE) }
    close(descriptor)
    // Without the thread the host's call would wait for ever; the host sees this end at once.
    guard DetachedThread.start({ slot.run() }) else { exit(EXIT_FAILURE) }
  }

  private func perform(_ frame: ControlChannel.Frame) {
    do throws(PluginError) {
      channel.send(.answer, number: frame.number, try answer(frame))
    } catch {
      channel.send(.failure, number: frame.number, error.encoded)
    }
  }

  private func answer(_ frame: ControlChannel.Frame) throws(PluginError) -> [UInt8] {
    switch FrameKind(rawValue: frame.kind) {
    case .validate:
      let request = try ConfigurationRequest(decoding: frame.body)
      try plugin.validate(configuration: request.configuration, dataset: request.dataset)
      return []
    case .estimateMemory:
      let request = try ConfigurationRequest(decoding: frame.body)
      return try plugin.estimateMemory(
        configuration: request.configuration, dataset: request.dataset
      ).encoded
    case .makeModel:
      return try makeModel(try MakeModelRequest(decoding: frame.body), frame.descriptors.first)
    case .destroyModel:
      models.remove(frame.number)
      return []
    default:
      throw WireDecoder.malformed
    }
  }

  private func makeModel(
    _ request: MakeModelRequest, _ descriptor: Int32?
  ) throws(PluginError) -> [UInt8] {
    defer { if let descriptor { close(descriptor) } }
    var artifacts: [Artifact] = []
    if let descriptor, !request.artifacts.isEmpty {
      guard
        let mapping = SharedMapping(
          descriptor: descriptor, byteCount: request.byteCount, isWritable: false)
      else { throw PluginError(.resourceExhausted, "no memory for the model's artifacts") }
      artifacts = request.artifacts.map {
        Artifact(
          name: $0.name,
          bytes: UnsafeRawBufferPointer(
            rebasing: mapping.memory[$0.offset..<$0.offset + $0.byteCount]), owner: mapping)
      }
    }
    let model = try plugin.makeModel(artifacts: artifacts, configuration: request.configuration)
    models.add(model, as: request.number)
    return WireModel(model).encoded
  }
}
