// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Where libtorch lies: one line, written by scripts/bootstrap.
let libtorchFile = Context.packageDirectory + "/.tandem/libtorch"
let libtorch =
  (try? String(contentsOfFile: libtorchFile, encoding: .utf8))?
  .trimmingCharacters(in: .whitespacesAndNewlines) ?? "/libtorch-not-set-up-run-scripts-bootstrap"

let torchHeaders: [CXXSetting] = [
  // As libtorch itself was built: some of its classes have other members without.
  .define("NDEBUG"),
  .unsafeFlags([
    "-isystem", libtorch + "/include",
    "-isystem", libtorch + "/include/torch/csrc/api/include",
    "-O3", "-Wno-psabi",
  ]),
]
let torchLibraries: [LinkerSetting] = [
  .unsafeFlags(["-L", libtorch + "/lib", "-Xlinker", "-rpath", "-Xlinker", libtorch + "/lib"]),
  .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
  name: "tandem",
  products: [
    .executable(name: "tandem", targets: ["tandem"]),
    .library(name: "Tandem", targets: ["TandemRecipes"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    .target(name: "CTorch", cxxSettings: torchHeaders, linkerSettings: torchLibraries),
    .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CArchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CHarfBuzz", providers: [.apt(["libharfbuzz-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
    .target(name: "TandemFiles", dependencies: ["CCrypto"]),
    .target(name: "TandemPickle", dependencies: ["TandemFiles", "CZlib"]),
    .target(name: "TandemRegions", dependencies: ["TandemFiles", "TandemPickle", "CLMDB"]),
    .target(name: "TandemTorch", dependencies: ["CTorch", "TandemFiles"]),
    .target(name: "TandemNN", dependencies: ["TandemTorch"]),
    .target(name: "TandemText"),
    .target(
      name: "CImageCodecs", cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp")]),
    .target(name: "TandemImage", dependencies: ["CImageCodecs"]),
    .target(name: "TandemScenes", dependencies: ["TandemFiles", "TandemImage", "CImageCodecs"]),
    .target(name: "TandemCore", dependencies: ["TandemNN", "TandemText", "TandemImage"]),
    .target(name: "TandemVision", dependencies: ["TandemNN", "TandemImage"]),
    .target(name: "TandemModels", dependencies: ["TandemCore", "TandemVision"]),
    .target(name: "TandemObjectives", dependencies: ["TandemCore"]),
    .target(name: "TandemTasks", dependencies: ["TandemCore"]),
    .target(
      name: "TandemRecipes",
      dependencies: [
        "TandemTrain", "TandemModels", "TandemObjectives", "TandemTasks", "TandemData",
        "TandemReport", "TandemVision", "TandemRegions", "TandemScenes", "TandemPickle",
      ]),
    .target(name: "TandemReport"),
    .target(name: "TandemEvents", dependencies: [protobuf], exclude: ["event.proto"]),
    .target(name: "TandemTrain", dependencies: ["TandemCore", "TandemFiles", "TandemEvents"]),
    .target(
      name: "TandemData",
      dependencies: [
        "TandemCore", "TandemFiles", "TandemRegions", "TandemScenes", "CArchive", "CHarfBuzz",
      ]),
    .executableTarget(
      name: "tandem",
      dependencies: [
        "TandemRecipes", "TandemData", "TandemRegions", "TandemScenes", "TandemText",
        "TandemVision", "TandemPickle", argumentParser,
      ]),
    .testTarget(name: "TandemFilesTests", dependencies: ["TandemFiles"]),
    // A child process that tests kill, and a benchmark of stores.
    .executableTarget(
      name: "RegionsProbe", dependencies: ["TandemRegions", "TandemFiles"],
      path: "Tests/RegionsProbe"),
    .testTarget(
      name: "TandemRegionsTests", dependencies: ["TandemRegions", "TandemFiles", "RegionsProbe"]),
    .testTarget(name: "TandemPickleTests", dependencies: ["TandemPickle", "TandemFiles"]),
    .testTarget(
      name: "TandemScenesTests", dependencies: ["TandemScenes", "TandemImage", "TandemFiles"]),
    .testTarget(name: "TandemTextTests", dependencies: ["TandemText"]),
    .testTarget(name: "TandemImageTests", dependencies: ["TandemImage"]),
    .testTarget(
      name: "TandemDataFetchTests",
      dependencies: ["TandemCore", "TandemData", "TandemFiles", "TandemImage", "TandemScenes"]),
    .testTarget(name: "TandemEventsTests", dependencies: ["TandemEvents"]),
    .testTarget(name: "TandemReportTests", dependencies: ["TandemReport", "TestSupport"]),
    .testTarget(name: "ArchitectureTests"),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "TandemCore", "TandemFiles", "TandemImage", "TandemNN", "TandemTorch", "TandemRecipes",
        "TandemRegions", "TandemScenes", "tandem",
      ]),

    // Numeric tests.
    .target(name: "TestSupport", dependencies: ["TandemCore"], path: "Tests/TestSupport"),
    .target(
      name: "RecordingDevice", path: "Tests/RecordingDevice", cxxSettings: torchHeaders,
      linkerSettings: torchLibraries),
    .testTarget(
      name: "DeviceTests",
      dependencies: [
        "RecordingDevice", "TandemTrain", "TandemModels", "TandemObjectives", "TestSupport",
      ]),
    .testTarget(name: "TandemTorchTests", dependencies: ["TandemTorch", "TestSupport"]),
    .testTarget(name: "TandemNNTests", dependencies: ["TandemNN", "TestSupport"]),
    .testTarget(name: "TandemVisionTests", dependencies: ["TandemVision", "TestSupport"]),
    .testTarget(name: "TandemCoreTests", dependencies: ["TandemCore", "TestSupport"]),
    .testTarget(
      name: "TandemModelsTests", dependencies: ["TandemModels", "TandemObjectives", "TestSupport"]),
    .testTarget(
      name: "TandemObjectivesTests",
      dependencies: [
        "TandemObjectives", "TandemModels", "TandemTasks", "TandemData", "TestSupport",
      ]),
    .testTarget(name: "TandemTasksTests", dependencies: ["TandemTasks", "TestSupport"]),
    .testTarget(name: "TandemTrainTests", dependencies: ["TandemTrain", "TestSupport"]),
    .testTarget(
      name: "TandemRecipesTests",
      dependencies: [
        "TandemRecipes", "TandemReport", "TandemVision", "TandemRegions", "TandemScenes",
        "TandemImage", "TandemTorch", "TandemFiles", "TandemNN",
      ]),
    .testTarget(
      name: "CheckpointTests",
      dependencies: [
        "TandemRecipes", "TandemModels", "TandemPickle", "TandemCore", "TandemNN", "TandemTorch",
        "TandemFiles", "TandemText", "TestSupport",
      ]),
    .testTarget(
      name: "TandemDataTests", dependencies: ["TandemData", "TandemRegions", "TestSupport"]),
  ],
  cxxLanguageStandard: .cxx20
)

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]
let swiftTargets: [Target.TargetType] = [.regular, .executable, .test]
for target in package.targets where swiftTargets.contains(target.type) {
  target.swiftSettings = strict
}
