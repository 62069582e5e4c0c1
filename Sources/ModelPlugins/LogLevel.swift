// SPDX-License-Identifier: Apache-2.0

/// How important a line for the log is.
public enum LogLevel: Int, Sendable, Hashable {
  case debug = 0
  case info = 1
  case warning = 2
  case error = 3
}
