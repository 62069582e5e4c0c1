// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime
import Testing

@testable import ModelPlugins

struct ABIHeaderTests {
  @Test(
    "The header compiles alone, without warnings",
    arguments: [("gcc", "c11"), ("clang", "c11"), ("g++", "c++17"), ("clang++", "c++17")])
  func compilesAlone(compiler: String, standard: String) throws {
    try #require(isInstalled(compiler), "\(compiler) is not installed: scripts/bootstrap says how")
    let directory = try TemporaryDirectory()
    let file = try directory.write(
      standard.hasPrefix("c++") ? "alone.cc" : "alone.c",
      """
      #include "massif_plugin.h"
      MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host);
      const msf_plugin *massif_plugin_entry(const msf_host *host) { (void)host; return NULL; }
      """)
    let result = try run(
      compiler,
      [
        "-std=\(standard)", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
        "-I", Locations.header, file,
      ])
    #expect(result.status == 0, "\(result.output)")
  }

  @Test("Tables of 1.0 are as large as 1.0 says")
  func tableSizes() {
    let sizes: [(size: Int, stated: Int)] = [
      (MemoryLayout<msf_error>.size, MSF_ERROR_SIZE_1_0),
      (MemoryLayout<msf_host>.size, MSF_HOST_SIZE_1_0),
      (MemoryLayout<msf_execution>.size, MSF_EXECUTION_SIZE_1_0),
      (MemoryLayout<msf_progress>.size, MSF_PROGRESS_SIZE_1_0),
      (MemoryLayout<msf_writer>.size, MSF_WRITER_SIZE_1_0),
      (MemoryLayout<msf_dataset>.size, MSF_DATASET_SIZE_1_0),
      (MemoryLayout<msf_model_request>.size, MSF_MODEL_REQUEST_SIZE_1_0),
      (MemoryLayout<msf_trainer_request>.size, MSF_TRAINER_REQUEST_SIZE_1_0),
      (MemoryLayout<msf_memory_estimate>.size, MSF_MEMORY_ESTIMATE_SIZE_1_0),
      (MemoryLayout<msf_model>.size, MSF_MODEL_SIZE_1_0),
      (MemoryLayout<msf_trainer>.size, MSF_TRAINER_SIZE_1_0),
      (MemoryLayout<msf_plugin>.size, MSF_PLUGIN_SIZE_1_0),
    ].map { ($0.0, Int($0.1)) }
    for (index, size) in sizes.enumerated() {
      #expect(size.size == size.stated, "table \(index)")
    }
  }

  @Test("Every data type has its own number, both ways", arguments: DataType.allCases)
  func dataTypes(type: DataType) {
    #expect(DataType(msf: type.msf) == type)
  }

  @Test("Numbers that are no data type are refused", arguments: [0, -1, 15, Int32.max, Int32.min])
  func unknownDataTypes(number: Int32) {
    #expect(DataType(msf: number) == nil)
  }

  @Test("Same major number, and the host's minor number not less")
  func versionRule() throws {
    try PluginTable.checkVersion(major: 1, minor: 0, hostMajor: 1, hostMinor: 0)
    try PluginTable.checkVersion(major: 1, minor: 0, hostMajor: 1, hostMinor: 3)
    for (major, minor, hint) in [
      (UInt16(1), UInt16(4), "update the host"), (2, 0, "update the host"),
      (0, 9, "newer massif_plugin.h"),
    ] {
      let error = failure {
        try PluginTable.checkVersion(major: major, minor: minor, hostMajor: 1, hostMinor: 3)
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message.contains("\(major).\(minor)") == true)
      #expect(error?.message.contains("1.3") == true)
      #expect(error?.message.contains(hint) == true)
    }
  }
}
