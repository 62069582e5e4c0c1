// SPDX-License-Identifier: Apache-2.0
import Glibc
@testable import ModelPlugins
@testable import Runtime

extension FuzzEntry {
  /// A signed manifest: there is one way to write one, and only that is read.
  ///
  /// Input: the file.
  static let pluginManifest = FuzzEntry("plugin-manifest", maxByteCount: 1200) { bytes in
    do {
      let signed = try SignedPluginManifest(parsing: bytes)
      try require(signed.text.utf8.elementsEqual(bytes), "'\(signed.text)' is not what came")
    } catch let error as PluginError {
      try require(error.code == .invalidArgument, "refused as \(error.code)")
    }
  }

  /// The check of a shared object before the dynamic linker maps it: every segment that it accepts
  /// lies in the file.
  ///
  /// Input: the file.
  static let elf = FuzzEntry("elf") { bytes in
    let file = try MemoryFile(bytes)
    let descriptor = open(file.path, O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    do {
      try ELFImage.check(descriptor: descriptor)
    } catch let error as PluginError {
      return try require(error.code == .invalidArgument, "refused as \(error.code)")
    }
    let headers = Int(bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
    for index in 0..<Int(bytes.loadUnaligned(fromByteOffset: 56, as: UInt16.self)) {
      let start = headers + index * 56
      guard bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self) == 1 else { continue }
      let offset = bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self)
      let size = bytes.loadUnaligned(fromByteOffset: start + 32, as: UInt64.self)
      try require(
        offset <= UInt64(bytes.count) && size <= UInt64(bytes.count) - offset,
        "a segment at \(offset) of \(size) bytes in \(bytes.count)")
    }
  }

  /// What the process of an isolated plugin says to the server, where the plugin may have taken it
  /// over: what is read is written and read again as the same.
  ///
  /// Input: which message it is, its bytes.
  static let workerMessages = FuzzEntry("worker-messages", maxByteCount: 2048) { bytes in
    var input = FuzzInput(bytes)
    let kind = input.byte() % 6
    let message = Array(input.rest)
    do {
      switch kind {
      case 0: try same(WirePlugin(decoding: message), WirePlugin.init(decoding:))
      case 1: try same(WireModel(decoding: message), WireModel.init(decoding:))
      case 2: try same(MemoryEstimate(decoding: message), MemoryEstimate.init(decoding:))
      case 3: _ = try LogLine(decoding: message).encoded
      case 4: _ = try PluginError(decoding: message).encoded
      default: _ = try MakeModelRequest(decoding: message).encoded
      }
    } catch let error as PluginError {
      try require(error.code == .internal, "refused as \(error.code)")
    }
  }

  private static func same<Message: WireMessage & Equatable>(
    _ message: Message, _ decode: ([UInt8]) throws -> Message
  ) throws {
    let again = try decode(message.encoded)
    try require(again == message, "\(message) is written as \(again)")
  }
}
