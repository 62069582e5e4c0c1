// SPDX-License-Identifier: Apache-2.0
import CProtobuf

/// The .proto files that the server's services are described in, and what each of them declares.
///
/// Built once, of the descriptors that `scripts/generate-protos` has put into the program.
struct DescriptorIndex: Sendable {
  /// A `google.protobuf.FileDescriptorProto`.
  struct File: Sendable {
    let bytes: [UInt8]
    fileprivate(set) var name = ""
    fileprivate(set) var package = ""
    fileprivate(set) var imports: [String] = []
    /// Full names of the services.
    fileprivate(set) var services: [String] = []
    /// Full names of everything that the file declares, the services among them.
    fileprivate(set) var symbols: [String] = []
    /// Full names of the messages.
    fileprivate(set) var messages: [String] = []
  }

  private let files: [String: File]
  private let fileOfSymbol: [String: String]
  private let messages: Set<String>

  /// Indexes serialized `FileDescriptorSet`s.
  ///
  /// - Throws: where one is malformed.
  init(_ sets: [UnsafeRawBufferPointer]) throws(WireError) {
    var (files, fileOfSymbol): ([String: File], [String: String]) = ([:], [:])
    var messages: Set<String> = []
    for set in sets {
      try Fields.each(set, WireRange(offset: 0, count: set.count)) {
        field, range throws(WireError) in
        guard field == FieldNumber.file else { return }
        let file = try File(set, range)
        files[file.name] = file
        for symbol in file.symbols { fileOfSymbol[symbol] = file.name }
        messages.formUnion(file.messages)
      }
    }
    self.files = files
    self.fileOfSymbol = fileOfSymbol
    self.messages = messages
  }

  /// The descriptors of this program.
  static func ofThisProgram() -> DescriptorIndex {
    var count = 0
    // SAFETY: `count` constant sets, which are there for good.
    let sets = UnsafeBufferPointer(start: mpb_file_descriptor_sets(&count), count: count)
    do throws(WireError) {
      return try DescriptorIndex(
        sets.map { UnsafeRawBufferPointer(start: $0.bytes, count: $0.count) })
    } catch {
      preconditionFailure("the program's own descriptors are malformed: \(error.text)")
    }
  }

  /// Full names of the services, in order.
  var services: [String] { files.values.flatMap(\.services).sorted() }

  func isMessage(_ name: String) -> Bool { messages.contains(name) }

  /// The file that declares a symbol.
  func name(ofFileDeclaring symbol: String) -> String? { fileOfSymbol[symbol] }

  /// A file and, behind it, what it imports; empty where there is no such file.
  func fileAndImports(_ name: String) -> [File] {
    var found: [File] = []
    var seen: Set<String> = []
    var open = [name]
    while let next = open.popLast() {
      guard seen.insert(next).inserted, let file = files[next] else { continue }
      found.append(file)
      open += file.imports
    }
    return found
  }
}

/// google/protobuf/descriptor.proto.
private enum FieldNumber {
  // FileDescriptorSet
  static let file: UInt64 = 1
  // FileDescriptorProto
  static let fileName: UInt64 = 1
  static let package: UInt64 = 2
  static let dependency: UInt64 = 3
  static let messageType: UInt64 = 4
  static let enumType: UInt64 = 5
  static let service: UInt64 = 6
  // DescriptorProto, FieldDescriptorProto, EnumDescriptorProto, ServiceDescriptorProto and theirs
  static let name: UInt64 = 1
  static let messageField: UInt64 = 2
  static let nestedType: UInt64 = 3
  static let nestedEnum: UInt64 = 4
  static let enumValue: UInt64 = 2
  static let method: UInt64 = 2
}

/// The length-delimited fields of a message; the others hold no names.
private enum Fields {
  static func each(
    _ bytes: UnsafeRawBufferPointer, _ range: WireRange,
    _ body: (_ field: UInt64, _ contents: WireRange) throws(WireError) -> Void
  ) throws(WireError) {
    var reader = WireReader(bytes, range)
    while !reader.isAtEnd {
      let (field, wireType) = try reader.tag()
      if wireType == 2 {
        try body(field, try reader.lengthDelimited())
      } else {
        try reader.skip(wireType)
      }
    }
  }
}

extension DescriptorIndex.File {
  fileprivate init(_ bytes: UnsafeRawBufferPointer, _ range: WireRange) throws(WireError) {
    self.bytes = Array(bytes[range.offset..<range.offset + range.count])
    // The package comes before what is named in it only by custom.
    try Fields.each(bytes, range) { field, contents throws(WireError) in
      switch field {
      case FieldNumber.fileName: name = Self.text(bytes, contents)
      case FieldNumber.package: package = Self.text(bytes, contents)
      case FieldNumber.dependency: imports.append(Self.text(bytes, contents))
      default: break
      }
    }
    try Fields.each(bytes, range) { field, contents throws(WireError) in
      switch field {
      case FieldNumber.messageType: try addMessage(bytes, contents, in: package)
      case FieldNumber.enumType:
        // The values of an enum are named beside it, as in C++.
        try addParent(bytes, contents, FieldNumber.enumValue, in: package, membersIn: package)
      case FieldNumber.service:
        services.append(
          try addParent(bytes, contents, FieldNumber.method, in: package, membersIn: nil))
      default: break
      }
    }
  }

  private mutating func addMessage(
    _ bytes: UnsafeRawBufferPointer, _ range: WireRange, in scope: String
  ) throws(WireError) {
    let name = try addParent(
      bytes, range, FieldNumber.messageField, in: scope, membersIn: nil)
    messages.append(name)
    try Fields.each(bytes, range) { field, contents throws(WireError) in
      switch field {
      case FieldNumber.nestedType: try addMessage(bytes, contents, in: name)
      case FieldNumber.nestedEnum:
        try addParent(bytes, contents, FieldNumber.enumValue, in: name, membersIn: name)
      default: break
      }
    }
  }

  /// Adds something that has a name, and its members.
  ///
  /// - Parameter memberScope: where the members are named; nil for inside of it.
  /// - Returns: its full name.
  @discardableResult
  private mutating func addParent(
    _ bytes: UnsafeRawBufferPointer, _ range: WireRange, _ memberField: UInt64, in scope: String,
    membersIn memberScope: String?
  ) throws(WireError) -> String {
    let name = Self.join(scope, try Self.name(bytes, range))
    symbols.append(name)
    try Fields.each(bytes, range) { field, contents throws(WireError) in
      guard field == memberField else { return }
      symbols.append(Self.join(memberScope ?? name, try Self.name(bytes, contents)))
    }
    return name
  }

  private static func name(
    _ bytes: UnsafeRawBufferPointer, _ range: WireRange
  ) throws(WireError) -> String {
    var name = ""
    try Fields.each(bytes, range) { field, contents throws(WireError) in
      if field == FieldNumber.name { name = text(bytes, contents) }
    }
    return name
  }

  private static func join(_ scope: String, _ name: String) -> String {
    scope.isEmpty ? name : "\(scope).\(name)"
  }

  private static func text(_ bytes: UnsafeRawBufferPointer, _ range: WireRange) -> String {
    String(decoding: bytes[range.offset..<range.offset + range.count], as: UTF8.self)
  }
}
