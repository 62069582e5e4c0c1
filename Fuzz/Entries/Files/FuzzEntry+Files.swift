// SPDX-License-Identifier: Apache-2.0

extension FuzzEntry {
  /// The readers of the command line: files that somebody else made.
  static let files: [FuzzEntry] = [.csv, .arff, .idx, .npy, .settings]
}
