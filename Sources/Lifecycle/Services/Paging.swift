// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import RPCServer
import Store
import SwiftProtobuf

/// A page of a list: how long it may be, and where it goes on.
struct Paging {
  private static let defaultSize = 100
  private static let maxSize = 1000
  /// An answer stays under gRPC's customary receive limit of 4 MiB; one item always fits.
  private static let maxByteCount = 3 << 20

  /// How many items the page has at most.
  let size: Int
  /// What the client gave back of the page before; empty for the first.
  let token: String

  /// Reads a request's page.
  ///
  /// - Throws: `.invalidArgument` for a size out of range.
  init(_ page: Massif_V1_PageRequest) throws(RPCError) {
    guard (0...Self.maxSize).contains(Int(page.pageSize)) else {
      throw .invalidArgument(
        "page.page_size", "expected 0 to \(Self.maxSize), came \(page.pageSize)")
    }
    size = page.pageSize == 0 ? Self.defaultSize : Int(page.pageSize)
    token = page.pageToken
  }

  /// The token of a list by name, that name; nil for the first page.
  func name() throws(RPCError) -> ResourceName? {
    if token.isEmpty { return nil }
    guard let name = ResourceName(token) else { throw Self.invalidToken }
    return name
  }

  /// A token that is no token of ours.
  static let invalidToken = RPCError.invalidArgument(
    "page.page_token", "expected the next_page_token of the page before")

  /// Cuts records, of which there is one more than the page takes if there are more, to the page.
  ///
  /// - Parameters:
  ///   - fetched: up to `size` + 1 records.
  ///   - token: what the page after one that ends with this record begins with.
  func page<Record, Item: Message>(
    _ fetched: [Record], item: (Record) -> Item, token: (Record) -> String
  ) throws -> (items: [Item], nextToken: String) {
    var items: [Item] = []
    var byteCount = 0
    for (index, record) in fetched.enumerated() {
      let next = item(record)
      let bytes: [UInt8] = try next.serializedBytes()
      byteCount += bytes.count
      if index == size || (byteCount > Self.maxByteCount && index > 0) {
        return (items, token(fetched[index - 1]))
      }
      items.append(next)
    }
    return (items, "")
  }
}
