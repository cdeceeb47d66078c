// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "hummingbird-example",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(name: "StickyServer", path: "../..", traits: ["Hummingbird"]),
    ],
    targets: [
        .executableTarget(
            name: "App",
            dependencies: [
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "StickyHummingbird", package: "StickyServer"),
                .product(name: "StickyTLS", package: "StickyServer"),
            ]
        )
    ]
)
