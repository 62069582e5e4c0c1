// SPDX-License-Identifier: Apache-2.0

/// Named bytes of a model version or of a checkpoint, for example `weights.safetensors`.
public struct Artifact: Sendable {
  /// The file name within the version's directory.
  public let name: String
  // SAFETY: immutable for as long as `owner` lives, so that it may be read from any thread.
  nonisolated(unsafe) private let storage: UnsafeRawBufferPointer
  /// What keeps the bytes alive: a mapping, an array's box.
  public let owner: any AnyObject & Sendable

  /// Makes an artifact of bytes that stay in place and unchanged while `owner` lives.
  public init(name: String, bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
    self.name = name
    self.storage = bytes
    self.owner = owner
  }

  /// Makes an artifact that owns a copy of `bytes`.
  public init(name: String, copying bytes: some Collection<UInt8>) {
    let box = ByteBox(bytes)
    self.init(name: name, bytes: box.bytes, owner: box)
  }

  /// The bytes, valid while the artifact or its owner lives.
  public var bytes: UnsafeRawBufferPointer { storage }
}

/// An immutable copy of bytes at a fixed, aligned address.
final class ByteBox: Sendable {
  // SAFETY: written in `init` alone.
  nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  init(_ source: some Collection<UInt8>) {
    let count = source.count
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 64)
    memory.copyBytes(from: source)
    bytes = UnsafeRawBufferPointer(rebasing: memory[..<count])
  }

  deinit {
    UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.deallocate()
  }
}

/// Takes the artifacts that a checkpoint or an export writes.
///
/// It is called with the name and the next bytes of an artifact, valid for the call; several calls
/// with one name append. An error that it throws ends the checkpoint or the export.
public typealias ArtifactWriter = (_ name: String, _ bytes: UnsafeRawBufferPointer) throws -> Void
