// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Store

/// A small data set that a small network learns: bright and dark squares.
enum TestData {
  /// A safetensors file with `train` and `test`, 4×4 images and labels 0 and 1.
  static func file(training: Int = 64, test: Int = 16) throws -> [UInt8] {
    func images(_ count: Int, _ salt: Int) -> [UInt8] {
      (0..<count).flatMap { sample in
        (0..<16).map { pixel in
          let noise = (sample * 37 + pixel * 11 + salt) % 64
          return UInt8(sample % 2 == 0 ? 40 + noise : 160 + noise)
        }
      }
    }
    func labels(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 2) } }
    return try encode([
      ("train/images", .uint8, [training, 4, 4, 1], images(training, 0)),
      ("train/labels", .uint8, [training], labels(training)),
      ("test/images", .uint8, [test, 4, 4, 1], images(test, 5)),
      ("test/labels", .uint8, [test], labels(test)),
    ])
  }

  static func encode(
    _ tensors: [(name: String, datatype: DataType, shape: [Int], bytes: [UInt8])],
    metadata: [String: String] = ["source": "test"]
  ) throws -> [UInt8] {
    let buffers = tensors.map { tensor in
      let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: tensor.bytes.count, alignment: 16)
      buffer.copyBytes(from: tensor.bytes)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    return try SafetensorsWriter.encode(
      zip(tensors, buffers).map { tensor, buffer in
        (
          try SafetensorsWriter.Item(tensor.name, tensor.datatype, Shape(tensor.shape)),
          UnsafeRawBufferPointer(buffer)
        )
      }, metadata: metadata)
  }

  /// A network for it.
  ///
  /// Dropout, so that a resumed training must find its random numbers again.
  static func configuration(epochs: Int) -> String {
    """
    {"input":{"scale":0.00392156862745098},
     "layers":[{"type":"flatten"},{"type":"dense","units":8,"activation":"relu"},
               {"type":"dropout","rate":0.25},{"type":"dense","units":2}],
     "loss":"cross_entropy","optimizer":{"type":"adam","learning_rate":0.01},
     "epochs":\(epochs),"batch_size":16}
    """
  }

  /// The digest of a file as an upload's header has it, or another one in its place.
  static func sha256(_ file: [UInt8], _ other: Digest? = nil) -> Data {
    guard let digest = try? other ?? file.withUnsafeBytes({ try SHA256.digest(of: $0) }) else {
      return Data()
    }
    var bytes = Data()
    var rest = digest.hexadecimal[...]
    while !rest.isEmpty {
      bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
      rest = rest.dropFirst(2)
    }
    return bytes
  }
}
