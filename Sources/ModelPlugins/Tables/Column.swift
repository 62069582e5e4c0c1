// SPDX-License-Identifier: Apache-2.0

/// One column of a table in memory.
struct Column: Sendable {
  /// What the values of a column mean.
  enum Kind: Sendable, Hashable {
    /// Any number; NaN is a missing value.
    case number
    /// Whole numbers, none missing.
    case integer
    /// Indices into these categories; NaN is a missing value.
    case categorical([String])
  }

  /// The column's name; that of a matrix is the tensor's with the index: `images[3]`.
  let name: String
  /// What the values mean.
  let kind: Kind
  /// One for each row; a missing value is NaN, a category its index.
  ///
  /// Whole numbers beyond 2^24 are rounded to what single precision has.
  let values: [Float]
}
