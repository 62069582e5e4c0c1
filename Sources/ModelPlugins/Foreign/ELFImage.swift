// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The part of an ELF file that must be right before the dynamic linker sees it: it maps segments
/// without looking at the size of the file, and a file cut short then kills the process with
/// SIGBUS.
///
/// Source: System V ABI, "ELF Header" and "Program Header"; ELF-64 little-endian.
enum ELFImage {
  private static let headerByteCount = 64
  private static let programHeaderByteCount = 56
  private static let loadSegment: UInt32 = 1
  private static let sharedObject: UInt16 = 3

  /// The machine that this host was built for, as ELF numbers it; nil for one that is not checked.
  private static var hostMachine: UInt16? {
    #if arch(x86_64)
      62
    #elseif arch(arm64)
      183
    #else
      nil
    #endif
  }

  /// Checks that the file is a shared object for this machine and holds all of its segments.
  ///
  /// - Throws: `.invalidArgument` that says what is wrong.
  static func check(descriptor: Int32) throws(PluginError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw PluginError(.invalidArgument, "the plugin is not a regular file")
    }
    let size = UInt64(status.st_size)
    let header = try read(descriptor, headerByteCount, at: 0, of: size)
    guard header[0..<4].elementsEqual([0x7F, 0x45, 0x4C, 0x46]), header[4] == 2, header[5] == 1
    else {
      throw PluginError(.invalidArgument, "the plugin is not a 64-bit little-endian ELF file")
    }
    guard field(header, 16, as: UInt16.self) == sharedObject else {
      throw PluginError(.invalidArgument, "the plugin is an ELF file but not a shared object")
    }
    let machine = field(header, 18, as: UInt16.self)
    if let hostMachine, machine != hostMachine {
      throw PluginError(
        .invalidArgument,
        "the plugin is for ELF machine \(machine), this host is machine \(hostMachine)")
    }
    guard field(header, 54, as: UInt16.self) == UInt16(programHeaderByteCount) else {
      throw PluginError(.invalidArgument, "the plugin's program headers have an unknown size")
    }
    let segments = try read(
      descriptor, Int(field(header, 56, as: UInt16.self)) * programHeaderByteCount,
      at: field(header, 32, as: UInt64.self), of: size)
    var hasLoadSegment = false
    for start in stride(from: 0, to: segments.count, by: programHeaderByteCount)
    where field(segments, start, as: UInt32.self) == loadSegment {
      hasLoadSegment = true
      let (end, overflow) = field(segments, start + 8, as: UInt64.self)
        .addingReportingOverflow(field(segments, start + 32, as: UInt64.self))
      guard !overflow, end <= size else { throw cutShort(size, expected: overflow ? nil : end) }
    }
    guard hasLoadSegment else {
      throw PluginError(.invalidArgument, "the plugin has no segment to load")
    }
  }

  private static func read(
    _ descriptor: Int32, _ count: Int, at offset: UInt64, of size: UInt64
  ) throws(PluginError) -> [UInt8] {
    guard offset <= size, UInt64(count) <= size - offset else {
      throw cutShort(size, expected: nil)
    }
    var bytes = [UInt8](repeating: 0, count: count)
    let came = bytes.withUnsafeMutableBytes { buffer in
      pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
    }
    guard came == count else { throw cutShort(size, expected: nil) }
    return bytes
  }

  private static func field<Value: FixedWidthInteger>(
    _ bytes: [UInt8], _ offset: Int, as type: Value.Type
  ) -> Value {
    bytes.withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
  }

  private static func cutShort(_ size: UInt64, expected: UInt64?) -> PluginError {
    let least = expected.map { "at least \($0) bytes" } ?? "a whole ELF file"
    return PluginError(
      .invalidArgument, "the plugin's file is cut short: expected \(least), came \(size) bytes")
  }
}
