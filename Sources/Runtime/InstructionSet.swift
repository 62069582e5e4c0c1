// SPDX-License-Identifier: Apache-2.0

import CKernels
import Glibc

/// The kernels that plans run on: one table for each instruction set, chosen when the process starts.
public struct InstructionSet: @unchecked Sendable, Hashable, CustomStringConvertible {
  /// The environment variable that forces a choice.
  public static let environmentVariable = "MASSIF_FORCE_ISA"

  // SAFETY: the table is immutable and lives as long as the process, so it may be shared.
  let kernels: UnsafePointer<mk_kernels>
  /// The kernels of the narrow types that go with them.
  let narrow: UnsafePointer<mk_narrow_kernels>

  /// The name: `scalar`, `avx2` or `avx512`.
  public var name: String { String(cString: kernels.pointee.name) }

  /// The name.
  public var description: String { name }

  /// What this machine runs, best first.
  public static var available: [InstructionSet] {
    let capacity = mk_available(nil, 0)
    return withUnsafeTemporaryAllocation(
      of: UnsafePointer<mk_kernels>.self, capacity: max(1, capacity)
    ) { tables in
      let count = min(capacity, mk_available(tables.baseAddress, capacity))
      return (0..<count).map { InstructionSet(kernels: tables[$0]) }
    }
  }

  /// Chooses by name.
  ///
  /// - Throws: `.unsupported` for a name that is unknown or not of this machine; the message lists the choices.
  public init(named name: String) throws(RuntimeError) {
    guard let kernels = mk_select(name) else {
      let choices = Self.available.map(\.name).joined(separator: ", ")
      throw RuntimeError(
        .unsupported, "\"\(name)\" is not an instruction set of this machine; choices: \(choices)",
        field: Self.environmentVariable)
    }
    self.init(kernels: kernels)
  }

  /// The choice of the environment, or the best of this machine.
  ///
  /// - Throws: `.unsupported` when `MASSIF_FORCE_ISA` names none of this machine.
  public static func preferred() throws(RuntimeError) -> InstructionSet {
    let forced = getenv(environmentVariable).map { String(cString: $0) } ?? ""
    return try preferred(forced: forced.isEmpty ? nil : forced)
  }

  /// The same with the variable's value as a parameter.
  static func preferred(forced: String?) throws(RuntimeError) -> InstructionSet {
    if let forced { return try InstructionSet(named: forced) }
    guard let best = mk_select(nil) else {
      throw RuntimeError(.unsupported, "no kernels for this machine")
    }
    return InstructionSet(kernels: best)
  }

  private init(kernels: UnsafePointer<mk_kernels>) {
    self.kernels = kernels
    narrow = mk_select_narrow(kernels)
  }

  /// The name of the narrow types' kernels that go with it, such as `avx512_bf16`.
  public var narrowName: String { String(cString: narrow.pointee.name) }
}
