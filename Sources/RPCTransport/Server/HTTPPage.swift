// SPDX-License-Identifier: Apache-2.0

/// What a GET is answered with, by a server whose business is gRPC: its metrics, for instance.
public struct HTTPPage: Sendable {
  /// HTTP's status code.
  public var status: Int
  /// The media type of the body.
  public var contentType: String
  /// The body.
  public var body: [UInt8]

  /// Makes a page.
  public init(status: Int = 200, contentType: String, body: [UInt8]) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }

  /// Makes a page of plain text.
  public init(status: Int, _ text: String) {
    self.init(
      status: status, contentType: "text/plain; charset=utf-8", body: Array("\(text)\n".utf8))
  }
}
