// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct InstructionSetTests {
  @Test func scalarRunsEverywhereAndTheBestComesFirst() throws {
    let names = InstructionSet.available.map(\.name)
    #expect(names.contains("scalar"))
    #expect(try InstructionSet.preferred(forced: nil).name == names.first)
  }

  @Test func aForcedChoiceIsTaken() throws {
    for set in InstructionSet.available {
      #expect(try InstructionSet.preferred(forced: set.name) == set)
    }
  }

  @Test func anUnknownNameIsRefusedWithTheChoices() {
    let error = #expect(throws: RuntimeError.self) {
      try InstructionSet.preferred(forced: "altivec")
    }
    #expect(error?.code == .unsupported)
    #expect(error?.field == "MASSIF_FORCE_ISA")
    for set in InstructionSet.available { #expect(error?.message.contains(set.name) == true) }
  }
}
