// SPDX-License-Identifier: Apache-2.0

extension FuzzEntry {
  /// The parsers of `Serving` and `Store`: what a caller says once it may call.
  static let inference: [FuzzEntry] = [.inferRequest, .streamedRequest, .controlRequests, .names]
}
