// SPDX-License-Identifier: Apache-2.0

extension FuzzEntry {
  /// Every entry, by where its bytes come from.
  static let all: [FuzzEntry] = transport + inference + models + files
}
