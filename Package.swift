// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Language features that every Swift target is compiled with (docs/style: no warning is left standing).
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// The data plane: accesses are checked for overlap by the compiler everywhere, and at run time in
/// debug builds, which the tests run (docs/decisions/0012).
let dataPlane =
  strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// Kernels are optimised in debug builds too (docs/decisions/0003).
let optimisedC: [CSetting] = [
  .unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Werror"])
]

let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A plugin exports one symbol, `massif_plugin_entry`; everything else in it stays its own.
let pluginLinkage: [LinkerSetting] = [
  .unsafeFlags(["-Xlinker", "--version-script=Examples/Plugins/plugin.map"])
]

/// Whether the parsers' entries are built for libFuzzer, by `Fuzz/run`, and not as a test that replays
/// their corpus (docs/hostile-wire.md).
let isFuzzing = Context.environment["MASSIF_FUZZ"] != nil

let fuzzDependencies: [Target.Dependency] = [
  "CMemfd", "CEpoll", "COpenSSL", "CProtobuf", "RPCTransport", "RPCServer", "Serving", "Store",
  "ModelPlugins", "Runtime", "massif",
]
let fuzz: Target =
  isFuzzing
  ? .executableTarget(
    name: "massif-fuzz", dependencies: fuzzDependencies, path: "Fuzz",
    exclude: ["Corpus", "Dictionaries", "Found", "Replay", "keep", "run"],
    sources: ["Entries", "Driver"],
    swiftSettings: strict)
  : .testTarget(
    name: "FuzzTests", dependencies: fuzzDependencies, path: "Fuzz",
    exclude: ["Corpus", "Dictionaries", "Driver", "Found", "keep", "run"],
    sources: ["Entries", "Replay"],
    swiftSettings: strict)

let package = Package(
  name: "massif",
  products: [
    .executable(name: "massif", targets: ["massif"]),
    .library(name: "MassifClient", targets: ["MassifClient"]),
    .library(name: "PluginKit", targets: ["PluginKit"]),
    .library(name: "IdentityC", type: .dynamic, targets: ["IdentityC"]),
    .library(name: "IdentitySwift", type: .dynamic, targets: ["IdentitySwift"]),
    .library(name: "ClassifierSwift", type: .dynamic, targets: ["ClassifierSwift"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // C
    .target(name: "CKernels", cSettings: optimisedC),
    .target(name: "CPluginABI"),
    .target(name: "CProtobuf", linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(name: "CEpoll"),
    .target(name: "CMemfd"),
    .target(name: "CSandbox", cSettings: optimisedC),
    .target(name: "CPluginTemplates", exclude: ["templates"]),
    .target(
      name: "COpenSSL", cSettings: optimisedC,
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .systemLibrary(
      name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),

    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),

    // Swift
    .target(name: "Runtime", dependencies: ["CKernels"], swiftSettings: strict),
    .target(name: "PluginKit", dependencies: ["CPluginABI"], swiftSettings: strict),
    .target(
      name: "ModelPlugins",
      dependencies: ["CPluginABI", "CMemfd", "CSandbox", "COpenSSL", "Runtime"],
      swiftSettings: dataPlane),
    .executableTarget(
      name: "massif-plugin-worker", dependencies: ["ModelPlugins"], swiftSettings: strict),
    .target(
      name: "RPCTransport", dependencies: ["COpenSSL", "CNghttp2", "CEpoll", "CZlib"],
      swiftSettings: dataPlane),
    .target(
      name: "RPCServer", dependencies: ["RPCTransport", logging], swiftSettings: dataPlane),
    .target(name: "MassifAPI", dependencies: [protobuf], swiftSettings: strict),
    .target(name: "Store", dependencies: ["COpenSSL", grdb], swiftSettings: strict),
    .target(
      name: "Serving",
      dependencies: [
        "RPCServer", "MassifAPI", "CProtobuf", "ModelPlugins", "Runtime", "Store", logging,
      ], swiftSettings: dataPlane),
    .target(
      name: "Lifecycle",
      dependencies: [
        "RPCTransport", "RPCServer", "MassifAPI", "ModelPlugins", "Runtime", "Store", logging,
        protobuf,
      ], swiftSettings: strict),
    .target(
      name: "MassifClient",
      dependencies: ["RPCTransport", "MassifAPI", "CProtobuf", "COpenSSL", protobuf],
      swiftSettings: strict),
    .executableTarget(
      name: "massif",
      dependencies: [
        "Runtime", "ModelPlugins", "RPCTransport", "RPCServer", "MassifAPI", "Store", "Serving",
        "Lifecycle", "MassifClient", "CPluginTemplates", "CZlib", "massif-plugin-worker", arguments,
        logging, yams,
        protobuf,
      ], swiftSettings: strict),

    .executableTarget(
      name: "bench-train", dependencies: ["Runtime"], path: "Benchmarks/train/Sources",
      swiftSettings: strict),
    .executableTarget(
      name: "bench-runtime", dependencies: ["Runtime"], path: "Benchmarks/runtime/Sources",
      swiftSettings: strict),
    .executableTarget(
      name: "bench-families", dependencies: ["ModelPlugins", "Runtime"],
      path: "Benchmarks/families/Sources", swiftSettings: strict),
    .executableTarget(
      name: "bench-plugins",
      dependencies: ["ModelPlugins", "Runtime", "MassifClient", "massif-plugin-worker"],
      path: "Benchmarks/plugins/Sources", swiftSettings: strict),
    .executableTarget(
      name: "ClientExample", dependencies: ["MassifClient"], path: "Examples/Clients/swift",
      swiftSettings: strict),

    // Example plugins, built as the shared objects that a server loads
    .target(
      name: "IdentityC", dependencies: ["CPluginABI"], path: "Examples/Plugins/identity",
      exclude: ["README.md"], publicHeadersPath: ".", linkerSettings: pluginLinkage),
    .target(
      name: "IdentitySwift", dependencies: ["PluginKit"], path: "Examples/Plugins/identity-swift",
      exclude: ["README.md"], swiftSettings: strict, linkerSettings: pluginLinkage),
    .target(
      name: "ClassifierSwift", dependencies: ["PluginKit"],
      path: "Examples/Plugins/classifier-swift", exclude: ["README.md"], swiftSettings: strict,
      linkerSettings: pluginLinkage),

    // Tests
    .target(
      name: "TestSupport", dependencies: ["RPCTransport"], path: "Tests/TestSupport",
      swiftSettings: strict),
    .executableTarget(
      name: "interop-server",
      dependencies: ["RPCServer", "RPCTransport", "TestSupport", protobuf, logging],
      path: "Tests/InteropServer", swiftSettings: strict),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels"], swiftSettings: strict),
    .testTarget(
      name: "RuntimeTests", dependencies: ["Runtime", "CKernels"], swiftSettings: strict),
    .testTarget(
      name: "ModelPluginsTests",
      dependencies: [
        "ModelPlugins", "CPluginABI", "CSandbox", "Runtime", "PluginKit", "massif-plugin-worker",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "RPCTransportTests", dependencies: ["RPCTransport", "COpenSSL", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "RPCServerTests", dependencies: ["RPCServer", "RPCTransport", "TestSupport", logging],
      swiftSettings: strict),
    .testTarget(
      name: "StoreTests", dependencies: ["Store", "TestSupport", grdb], swiftSettings: strict),
    .testTarget(
      name: "ServingTests", dependencies: ["Serving", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "LifecycleTests",
      dependencies: [
        "Lifecycle", "RPCTransport", "RPCServer", "MassifAPI", "ModelPlugins", "Runtime", "Store",
        "TestSupport", "massif-plugin-worker", logging, protobuf,
      ], swiftSettings: strict),
    .testTarget(
      name: "MassifClientTests",
      dependencies: [
        "MassifClient", "RPCServer", "RPCTransport", "MassifAPI", "CProtobuf", "TestSupport",
        protobuf, logging,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "MassifTests",
      dependencies: [
        "massif", "MassifClient", "MassifAPI", "ModelPlugins", "Runtime", "TestSupport", arguments,
        protobuf,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests", dependencies: ["MassifClient", "TestSupport"],
      exclude: ["CPlusPlus", "Python", "Ruby"],
      swiftSettings: strict),
    fuzz,
  ],
  cLanguageStandard: .c11
)

if isFuzzing {
  // Of large targets the files with the parsers alone: what is instrumented builds slowly. And an
  // executable could not be linked into another.
  func cut(_ name: String, to sources: [String], dependencies: [Target.Dependency]) {
    package.products.removeAll { $0.name == name }
    package.targets.removeAll { $0.name == name || $0.name == "\(name)Tests" }
    package.targets.append(
      .target(name: name, dependencies: dependencies, sources: sources, swiftSettings: strict))
  }
  cut(
    "Runtime",
    to: ["RuntimeError.swift", "Safetensors", "Tensors/DataType.swift", "Tensors/Shape.swift"],
    dependencies: [])
  cut(
    "ModelPlugins",
    to: [
      "Artifact.swift", "Configuration", "DataSetView.swift", "Execution",
      "Foreign/CValues.swift", "Foreign/ELFImage.swift", "Isolation/Wire/SlotLayout.swift",
      "Isolation/Wire/WireCoding.swift",
      "Isolation/Wire/WorkerMessages.swift", "LogLevel.swift", "ModelPlugin.swift",
      "PluginError.swift", "PluginImplementation.swift", "PluginIsolation.swift",
      "PluginLimits.swift", "Signing/Ed25519.swift", "Signing/PluginManifest.swift",
      "Reinforcement/Environments/EnvironmentExchange.swift", "Signing/SignedPluginManifest.swift",
      "Tables/Column.swift", "Tables/TableElements.swift", "Tables/TableSchema.swift",
      "TensorSpecification.swift", "Training",
    ],
    dependencies: ["CPluginABI", "CMemfd", "CSandbox", "COpenSSL", "Runtime"])
  cut("Store", to: ["Names", "StoreError.swift"], dependencies: [])
  cut(
    "Serving",
    to: [
      "Inference/BytesElements.swift", "Inference/InferLimits.swift",
      "Inference/InferRequest.swift", "Inference/InferRequestDecoder.swift",
      "Inference/InferRequestScan.swift", "Inference/InputBinding.swift",
      "Inference/InputBinding+Parameters.swift", "Inference/ModelSignature.swift",
      "Inference/TypedContents.swift", "ServingError.swift", "ServingError+RPC.swift",
      "Streaming/StreamResponseWriter.swift", "Wire",
    ],
    dependencies: ["RPCServer", "RPCTransport", "CProtobuf", "ModelPlugins", "Runtime"])
  cut(
    "massif",
    to: [
      "DataSets/CSVReader.swift", "DataSets/CSVTable.swift", "DataSets/IDXFile.swift",
      "DataSets/ImportedTensor.swift", "DataSets/NPYFile.swift", "DataSets/NamedColumns.swift",
      "DataSets/SourceFile.swift", "DataSets/TextColumns+ARFF.swift",
      "DataSets/TextColumns+CSV.swift", "Output/CommandError.swift", "Output/Console.swift",
      "Output/JSONValue.swift", "Output/OutputFormat.swift", "Serve/Setting+Connections.swift",
      "Serve/Setting+Serve.swift", "Settings/ConfigurationFile.swift", "Settings/Setting.swift",
      "Settings/TextFile.swift",
    ],
    dependencies: ["Runtime", "CZlib", arguments, yams])
}

// A part of the package alone, for builds that are slow, as with sanitizers: the names of targets.
if let part = Context.environment["MASSIF_TARGETS"] {
  let kept = part.split(separator: " ").map(String.init)
  package.targets.removeAll { !kept.contains($0.name) }
  package.products = []
}
