// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// The names of calls in logs.
enum RequestID {
  /// The header that carries a client's own name for its call, and that echoes it.
  static let header = "x-request-id"
  private static let maxLength = 128

  /// The client's name for its call where it is short and plain enough to stand in a log.
  static func accepted(in metadata: Metadata) -> String? {
    guard !metadata.isEmpty, let text = metadata[header], !text.isEmpty,
      text.utf8.count <= maxLength, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
    else { return nil }
    return text
  }

  /// Metadata that tells the client the name of its call.
  static func metadata(_ id: String) -> Metadata {
    var metadata = Metadata()
    // Accepted and made names are both plain ASCII, which is all that metadata asks for.
    try? metadata.append(id, for: header)
    return metadata
  }
}
