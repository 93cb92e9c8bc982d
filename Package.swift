// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Where libtorch lies: one line, written by scripts/bootstrap.
let libtorchFile = Context.packageDirectory + "/.tandem/libtorch"
let libtorch =
  (try? String(contentsOfFile: libtorchFile, encoding: .utf8))?
  .trimmingCharacters(in: .whitespacesAndNewlines) ?? "/libtorch-not-set-up-run-scripts-bootstrap"

let torchHeaders: [CXXSetting] = [
  .unsafeFlags([
    "-isystem", libtorch + "/include",
    "-isystem", libtorch + "/include/torch/csrc/api/include",
    "-O3", "-Wno-psabi",
  ])
]
let torchLibraries: [LinkerSetting] = [
  .unsafeFlags(["-L", libtorch + "/lib", "-Xlinker", "-rpath", "-Xlinker", libtorch + "/lib"]),
  .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
  name: "tandem",
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    .target(name: "CTorch", cxxSettings: torchHeaders, linkerSettings: torchLibraries),
    .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CArchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CHarfBuzz", providers: [.apt(["libharfbuzz-dev"])]),
    .target(name: "TandemFiles", dependencies: ["CCrypto"]),
    .target(name: "TandemTorch", dependencies: ["CTorch", "TandemFiles"]),
    .target(name: "TandemNN", dependencies: ["TandemTorch"]),
    .target(name: "TandemText"),
    .target(
      name: "CImageCodecs",
      linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp")]),
    .target(name: "TandemImage", dependencies: ["CImageCodecs"]),
    .target(name: "TandemCore", dependencies: ["TandemNN", "TandemText", "TandemImage"]),
    .target(name: "TandemModels", dependencies: ["TandemCore"]),
    .target(name: "TandemObjectives", dependencies: ["TandemCore"]),
    .target(name: "TandemTasks", dependencies: ["TandemCore"]),
    .target(
      name: "TandemRecipes",
      dependencies: [
        "TandemTrain", "TandemModels", "TandemObjectives", "TandemTasks", "TandemData",
      ]),
    .target(name: "TandemTrain", dependencies: ["TandemCore", "TandemFiles"]),
    .target(
      name: "TandemData", dependencies: ["TandemCore", "TandemFiles", "CArchive", "CHarfBuzz"]),
    .executableTarget(
      name: "tandem", dependencies: ["TandemRecipes", "TandemData", argumentParser]),

    // Numeric tests.
    .target(name: "TestSupport", dependencies: ["TandemCore"], path: "Tests/TestSupport"),
    .testTarget(name: "TandemTorchTests", dependencies: ["TandemTorch", "TestSupport"]),
    .testTarget(name: "TandemNNTests", dependencies: ["TandemNN", "TestSupport"]),
    .testTarget(name: "TandemCoreTests", dependencies: ["TandemCore", "TestSupport"]),
    .testTarget(
      name: "TandemModelsTests", dependencies: ["TandemModels", "TandemObjectives", "TestSupport"]),
    .testTarget(
      name: "TandemObjectivesTests",
      dependencies: ["TandemObjectives", "TandemModels", "TandemTasks", "TandemData", "TestSupport"]),
    .testTarget(name: "TandemTasksTests", dependencies: ["TandemTasks", "TestSupport"]),
    .testTarget(name: "TandemTrainTests", dependencies: ["TandemTrain", "TestSupport"]),
    .testTarget(name: "TandemDataTests", dependencies: ["TandemData", "TestSupport"]),
    .testTarget(name: "TandemRecipesTests", dependencies: ["TandemRecipes", "TestSupport"]),
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
for target in package.targets where target.type == .regular || target.type == .executable || target.type == .test {
  target.swiftSettings = strict
}
