// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a frame holds.
enum FrameKind: UInt32 {
  // From the host; each but the last two is answered.
  /// `LoadRequest`, with the library's descriptor.
  case load = 1
  /// `ConfigurationRequest`, answered with nothing.
  case validate = 2
  /// `ConfigurationRequest`, answered with `WireEstimate`.
  case estimateMemory = 3
  /// `MakeModelRequest`, with the artifacts' descriptor if there are any; answered with `WireModel`.
  case makeModel = 4
  /// The model's number.
  case destroyModel = 5
  /// `SlotRequest`, with the slot's descriptor.
  case addSlot = 6

  // From the worker.
  case answer = 16
  /// `WireError`.
  case failure = 17
  /// `LogLine`; belongs to no request.
  case log = 18
}

/// Bounds on what a worker may say; a plugin's table is held to the same ones.
enum WireLimits {
  static let nameByteCount = 256
  static let schemaByteCount = 1 << 20
  static let textByteCount = 8192
  static let violationCount = 32
  static let tensorCount = 4096
  static let artifactCount = 4096
}

/// Load the library, under these bounds.
struct LoadRequest: WireMessage {
  /// The plugin's name in the log until it has said its own.
  var label: String
  var threadCount: Int
  var instructionSet: String
  var maxMemoryByteCount: Int
  var limits: PluginLimits

  init(
    label: String, threadCount: Int, instructionSet: String, maxMemoryByteCount: Int,
    limits: PluginLimits
  ) {
    self.label = label
    self.threadCount = threadCount
    self.instructionSet = instructionSet
    self.maxMemoryByteCount = maxMemoryByteCount
    self.limits = limits
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    label = try decoder.text(limit: WireLimits.nameByteCount)
    threadCount = try decoder.count()
    instructionSet = try decoder.text(limit: WireLimits.nameByteCount)
    maxMemoryByteCount = try decoder.count()
    limits = PluginLimits()
    limits.maxOutputByteCount = try decoder.count()
    limits.maxIdleOutputByteCount = try decoder.count()
    limits.maxConfigurationByteCount = try decoder.count()
    // The host has asked for the estimate before it asks for the model.
    limits.maxModelByteCount = .max
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(label)
    encoder.put(UInt64(threadCount))
    encoder.put(instructionSet)
    encoder.put(UInt64(maxMemoryByteCount))
    encoder.put(UInt64(limits.maxOutputByteCount))
    encoder.put(UInt64(limits.maxIdleOutputByteCount))
    encoder.put(UInt64(limits.maxConfigurationByteCount))
  }
}

/// What the plugin said of itself, and what the sandbox came to.
struct WirePlugin: WireMessage, Equatable {
  var name: String
  var version: String
  var abiVersion: String
  var capabilities: Set<ModelPlugin.Capability>
  var configurationSchema: String
  var sandbox: [String]

  init(_ plugin: ModelPlugin, sandbox: [String]) {
    name = plugin.name
    version = plugin.version
    abiVersion = plugin.abiVersion
    capabilities = plugin.capabilities
    configurationSchema = plugin.configurationSchema
    self.sandbox = sandbox
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    name = try decoder.text(limit: WireLimits.nameByteCount)
    version = try decoder.text(limit: WireLimits.nameByteCount)
    abiVersion = try decoder.text(limit: WireLimits.nameByteCount)
    let names = try decoder.array(limit: 8) { (decoder) throws(PluginError) in
      try decoder.text(limit: WireLimits.nameByteCount)
    }
    capabilities = Set(names.compactMap { ModelPlugin.Capability(rawValue: $0) })
    configurationSchema = try decoder.text(limit: WireLimits.schemaByteCount)
    sandbox = try decoder.array(limit: 16) { (decoder) throws(PluginError) in
      try decoder.text(limit: WireLimits.nameByteCount)
    }
    // The worker has checked it, and the worker may be the plugin's by now.
    guard PluginName.isValid(name), version.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      (1...64).contains(version.utf8.count), !capabilities.isEmpty
    else { throw WireDecoder.malformed }
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(name)
    encoder.put(version)
    encoder.put(abiVersion)
    encoder.put(capabilities.map(\.rawValue)) { $0.put($1) }
    encoder.put(configurationSchema)
    encoder.put(sandbox) { $0.put($1) }
  }
}

/// Check a configuration, or estimate what it takes.
struct ConfigurationRequest: WireMessage {
  var configuration: String
  var dataset: DataSetDescription?

  init(configuration: String, dataset: DataSetDescription?) {
    self.configuration = configuration
    self.dataset = dataset
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    configuration = try decoder.text(limit: .max)
    dataset = nil
    if try decoder.integer(UInt8.self) != 0 {
      dataset = DataSetDescription(
        tensors: try decoder.array(limit: .max, TensorSpecification.init(from:)))
    }
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(configuration)
    encoder.put(UInt8(dataset == nil ? 0 : 1))
    if let dataset { encoder.put(dataset.tensors) { $1.encode(to: &$0) } }
  }
}

extension MemoryEstimate: WireMessage {
  init(from decoder: inout WireDecoder) throws(PluginError) {
    self.init(
      inferenceByteCount: try decoder.count(), trainingByteCount: try decoder.count())
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(UInt64(clamping: inferenceByteCount))
    encoder.put(UInt64(clamping: trainingByteCount))
  }
}

/// Make a model of artifacts that lie one behind the other in shared memory.
struct MakeModelRequest: WireMessage {
  struct ArtifactRange {
    var name: String
    var offset: Int
    var byteCount: Int
  }

  /// By which calls name it.
  var number: UInt32
  var configuration: String
  var artifacts: [ArtifactRange]
  /// Of the shared memory.
  var byteCount: Int

  init(
    number: UInt32, configuration: String, artifacts: [ArtifactRange], byteCount: Int
  ) {
    self.number = number
    self.configuration = configuration
    self.artifacts = artifacts
    self.byteCount = byteCount
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    number = try decoder.integer()
    configuration = try decoder.text(limit: .max)
    byteCount = try decoder.count()
    artifacts = try decoder.array(limit: WireLimits.artifactCount) {
      (decoder) throws(PluginError) in
      ArtifactRange(
        name: try decoder.text(limit: WireLimits.nameByteCount), offset: try decoder.count(),
        byteCount: try decoder.count())
    }
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(number)
    encoder.put(configuration)
    encoder.put(UInt64(byteCount))
    encoder.put(artifacts) {
      $0.put($1.name)
      $0.put(UInt64($1.offset))
      $0.put(UInt64($1.byteCount))
    }
  }
}

/// What a model is.
struct WireModel: WireMessage, Equatable {
  var inputs: [TensorSpecification]
  var outputs: [TensorSpecification]
  var maxBatchSize: Int
  var memoryByteCount: Int

  init(_ model: PluginModel) {
    inputs = model.inputs
    outputs = model.outputs
    maxBatchSize = model.maxBatchSize
    memoryByteCount = model.memoryByteCount
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    inputs = try decoder.array(limit: 64, TensorSpecification.init(from:))
    outputs = try decoder.array(limit: 64, TensorSpecification.init(from:))
    maxBatchSize = try decoder.count()
    memoryByteCount = try decoder.count()
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(inputs) { $1.encode(to: &$0) }
    encoder.put(outputs) { $1.encode(to: &$0) }
    encoder.put(UInt64(maxBatchSize))
    encoder.put(UInt64(memoryByteCount))
  }
}

/// Serve the calls of a slot.
struct SlotRequest: WireMessage {
  var layout: SlotLayout

  init(layout: SlotLayout) {
    self.layout = layout
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    layout = SlotLayout(
      inputCapacity: try decoder.count(), outputCapacity: try decoder.count())
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(UInt64(layout.inputCapacity))
    encoder.put(UInt64(layout.outputCapacity))
  }
}

/// A line of the plugin's for the log.
struct LogLine: WireMessage {
  var level: LogLevel
  var text: String

  init(level: LogLevel, text: String) {
    self.level = level
    self.text = text
  }

  init(from decoder: inout WireDecoder) throws(PluginError) {
    level = LogLevel(rawValue: Int(try decoder.integer(UInt8.self))) ?? .info
    text = try decoder.text(limit: WireLimits.textByteCount)
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(UInt8(level.rawValue))
    encoder.put(String(text.prefix(WireLimits.textByteCount / 4)))
  }
}

extension PluginError: WireMessage {
  init(from decoder: inout WireDecoder) throws(PluginError) {
    let code = Code(rawValue: Int(try decoder.integer(UInt8.self))) ?? .unknown
    let message = try decoder.text(limit: WireLimits.textByteCount)
    self.init(
      code, message,
      violations: try decoder.array(limit: WireLimits.violationCount) {
        (decoder) throws(PluginError) in
        FieldViolation(
          field: try decoder.text(limit: WireLimits.textByteCount),
          description: try decoder.text(limit: WireLimits.textByteCount))
      })
  }

  func encode(to encoder: inout WireEncoder) {
    let longest = WireLimits.textByteCount / 4
    encoder.put(UInt8(code.rawValue))
    encoder.put(String(message.prefix(longest)))
    encoder.put(Array(violations.prefix(WireLimits.violationCount))) {
      $0.put(String($1.field.prefix(longest)))
      $0.put(String($1.description.prefix(longest)))
    }
  }
}

extension TensorSpecification: WireMessage {
  init(from decoder: inout WireDecoder) throws(PluginError) {
    let name = try decoder.text(limit: 1024)
    guard let datatype = DataType(msf: try decoder.integer()) else {
      throw WireDecoder.malformed
    }
    self.init(
      name: name, datatype: datatype,
      shape: try decoder.array(limit: 64) { (decoder) throws(PluginError) in
        guard let extent = Int(exactly: try decoder.integer(Int64.self)) else {
          throw WireDecoder.malformed
        }
        return extent
      })
  }

  func encode(to encoder: inout WireEncoder) {
    encoder.put(name)
    encoder.put(datatype.msf)
    encoder.put(shape) { $0.put(Int64($1)) }
  }
}
