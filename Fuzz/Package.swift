// swift-tools-version: 6.1
import PackageDescription

// libFuzzer drivers for what parses the bytes of strangers and of files. A package of its own, because the sanitizer
// goes into every module of a build: `make fuzz`.
let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "StickyServer", path: "..")],
    targets: [
        .target(name: "CFuzzer"),
        .executableTarget(
            name: "StickyFuzz",
            dependencies: [
                "CFuzzer",
                .product(name: "StickyServer", package: "StickyServer"),
                .product(name: "StickyTLS", package: "StickyServer"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)
