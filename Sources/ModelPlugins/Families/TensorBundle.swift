// SPDX-License-Identifier: Apache-2.0
import Runtime

/// An element that a bundle's tensors may have.
protocol TensorElement: BitwiseCopyable {
  static var datatype: DataType { get }
}

extension Float: TensorElement { static var datatype: DataType { .fp32 } }
extension Double: TensorElement { static var datatype: DataType { .fp64 } }
extension Int32: TensorElement { static var datatype: DataType { .int32 } }
extension Int64: TensorElement { static var datatype: DataType { .int64 } }
extension UInt8: TensorElement { static var datatype: DataType { .uint8 } }

/// Named tensors in memory, written and read as one safetensors file.
struct TensorBundle: Sendable {
  private struct Entry: Sendable {
    var datatype: DataType
    var shape: [Int]
    var bytes: [UInt8]
  }

  private var entries: [String: Entry] = [:]
  /// What the tensors are called in messages.
  private let name: String

  /// Makes an empty bundle.
  init(name: String = "weights.safetensors") {
    self.name = name
  }

  /// Adds a tensor.
  ///
  /// - Parameter shape: nil for one dimension.
  /// - Precondition: as many values as the shape says.
  mutating func set<Element: TensorElement>(
    _ key: String, _ values: [Element], shape: [Int]? = nil
  ) {
    let shape = shape ?? [values.count]
    precondition(shape.reduce(1, *) == values.count, "\(key) has another shape")
    entries[key] = Entry(
      datatype: Element.datatype, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }

  /// The tensor's shape, nil where there is none.
  func shape(of key: String) -> [Int]? { entries[key]?.shape }

  /// A tensor's values.
  ///
  /// - Parameter shape: what it must be; -1 for any extent, nil for any shape.
  /// - Throws: `.dataLoss` when the tensor is not there or has another type or shape.
  func values<Element: TensorElement>(
    _ key: String, as type: Element.Type = Element.self, shape: [Int]? = nil
  ) throws(PluginError) -> [Element] {
    guard let entry = entries[key] else {
      throw PluginError(.dataLoss, "\(name): expected a tensor \"\(key)\", which is missing")
    }
    let fits =
      shape.map { shape in
        shape.count == entry.shape.count
          && zip(shape, entry.shape).allSatisfy { $0 == -1 || $0 == $1 }
      } ?? true
    guard entry.datatype == Element.datatype, fits else {
      throw PluginError(
        .dataLoss,
        "\(name): expected \(Element.datatype.rawValue) \(shape.map { "\($0)" } ?? "") in"
          + " \"\(key)\", came \(entry.datatype.rawValue) \(entry.shape)")
    }
    return entry.bytes.withUnsafeBytes { bytes in
      (0..<(bytes.count / MemoryLayout<Element>.size)).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
      }
    }
  }

  /// Reads a file.
  ///
  /// - Throws: `.dataLoss` for what is no safetensors file.
  init(parsing bytes: UnsafeRawBufferPointer, name: String) throws(PluginError) {
    self.name = name
    do throws(RuntimeError) {
      for entry in try SafetensorsFile(parsing: bytes).entries {
        entries[entry.name] = Entry(
          datatype: entry.datatype, shape: entry.shape.dimensions,
          bytes: Array(bytes[entry.range]))
      }
    } catch {
      throw PluginError(.dataLoss, "\(name): \(error)")
    }
  }

  /// The file: equal bundles give equal bytes.
  func encode() throws(PluginError) -> [UInt8] {
    let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    do throws(RuntimeError) {
      var items: [SafetensorsWriter.Item] = []
      for (name, entry) in sorted {
        items.append(try .init(name, entry.datatype, try Shape(entry.shape)))
      }
      let writer = try SafetensorsWriter(items)
      var file = writer.header
      for index in writer.order { file += sorted[index].value.bytes }
      return file
    } catch {
      throw PluginError(error)
    }
  }
}
