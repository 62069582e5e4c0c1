// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Logarithms and their inverse in double precision.
enum Logarithm {
  static func base2(_ x: Double) -> Double { log2(x) }
  static func natural(_ x: Double) -> Double { log(x) }
  static func exponential(_ x: Double) -> Double { exp(x) }
}
