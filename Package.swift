// swift-tools-version: 6.1
import PackageDescription

// Every target is built in Swift 6 language mode; these are the stricter rules of the next one that already hold here.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "StickyServer",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "StickyServer", targets: ["StickyServer"]),
        .library(name: "StickyCodable", targets: ["StickyCodable"]),
        .library(name: "StickyTLS", targets: ["StickyTLS"]),
        .library(name: "StickyKeySchedule", targets: ["StickyKeySchedule"]),
        .library(name: "StickyNIO", targets: ["StickyNIO"]),
        .library(name: "StickyHummingbird", targets: ["StickyHummingbird"]),
        .executable(name: "sticky-demo", targets: ["StickyDemo"]),
    ],
    traits: [
        .trait(name: "NIO", description: "StickyNIO, on swift-nio."),
        .trait(
            name: "Hummingbird",
            description: "StickyHummingbird and the demo server, on hummingbird.",
            enabledTraits: ["NIO"]
        ),
        .default(enabledTraits: []),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.45.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        // What Swift cannot import from the platform: control messages, spawning, the crash notice.
        .target(name: "CStickyServer"),
        .target(
            name: "StickyServer",
            dependencies: ["CStickyServer", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict
        ),
        // Messages as Codable values.
        .target(name: "StickyCodable", dependencies: ["StickyServer"], swiftSettings: strict),
        // The system's libssl and libcrypto.
        .systemLibrary(name: "CTLS", pkgConfig: "openssl", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .target(
            name: "StickyTLS",
            dependencies: ["CTLS", "StickyServer", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict
        ),
        // TLS 1.3's key schedule as an OpenSSL provider: optional, and small enough to read in one sitting.
        .target(name: "StickyKeySchedule", dependencies: ["CTLS"], swiftSettings: strict),
        // epoll and eventfd, for the lean event loop.
        .target(name: "CStickyNIO"),
        .target(
            name: "StickyNIO",
            dependencies: [
                "CStickyNIO", "StickyServer", "StickyTLS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOTLS", package: "swift-nio", condition: .when(traits: ["NIO"])),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "StickyHummingbird",
            dependencies: [
                "StickyNIO", "StickyServer", "StickyTLS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
                .product(name: "HummingbirdCore", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOTLS", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTP2", package: "swift-nio-http2", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: .when(traits: ["Hummingbird"])),
                .product(
                    name: "NIOHTTPTypesHTTP1",
                    package: "swift-nio-extras",
                    condition: .when(traits: ["Hummingbird"])
                ),
                .product(
                    name: "NIOHTTPTypesHTTP2",
                    package: "swift-nio-extras",
                    condition: .when(traits: ["Hummingbird"])
                ),
                .product(
                    name: "ServiceLifecycle",
                    package: "swift-service-lifecycle",
                    condition: .when(traits: ["Hummingbird"])
                ),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "StickyDemo",
            dependencies: [
                "StickyServer", "StickyTLS", "StickyKeySchedule", "StickyNIO", "StickyHummingbird",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(
                    name: "ArgumentParser",
                    package: "swift-argument-parser",
                    condition: .when(traits: ["Hummingbird"])
                ),
            ],
            swiftSettings: strict
        ),
        // The server that cluster tests run as real processes.
        .executableTarget(
            name: "ClusterFixture",
            dependencies: ["StickyServer", .product(name: "Logging", package: "swift-log")],
            path: "Tests/ClusterFixture",
            swiftSettings: strict
        ),
        // The server that the TLS tests run as real processes.
        .executableTarget(
            name: "TLSFixture",
            dependencies: [
                "StickyServer", "StickyTLS", "StickyNIO",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOTLS", package: "swift-nio", condition: .when(traits: ["NIO"])),
            ],
            path: "Tests/TLSFixture",
            swiftSettings: strict
        ),
        // One Hummingbird application on Hummingbird's own server and on sticky workers.
        .executableTarget(
            name: "HummingbirdFixture",
            dependencies: [
                "StickyHummingbird", "StickyNIO", "StickyServer", "StickyTLS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(
                    name: "ServiceLifecycle",
                    package: "swift-service-lifecycle",
                    condition: .when(traits: ["Hummingbird"])
                ),
            ],
            path: "Tests/HummingbirdFixture",
            swiftSettings: strict
        ),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        // A TLS client and certificates in memory.
        .target(
            name: "TLSTestSupport",
            dependencies: ["StickyTLS", "CTLS"],
            path: "Tests/TLSTestSupport",
            swiftSettings: strict
        ),
        .testTarget(
            name: "StickyServerTests",
            dependencies: ["StickyServer", "ClusterFixture", "TestSupport"],
            swiftSettings: strict
        ),
        // Each Swift example of README.md and docs/, so that the compiler reads it.
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "StickyServer", "StickyCodable", "StickyTLS", "StickyNIO", "StickyHummingbird",
                .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["NIO"])),
            ],
            swiftSettings: strict
        ),
        // sticky-demo as real processes, with real clients.
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["StickyDemo", "TestSupport"],
            exclude: ["Clients", "Preload"],
            swiftSettings: strict
        ),
        // HummingbirdFixture as real processes, with real clients.
        .testTarget(
            name: "HummingbirdIntegrationTests",
            dependencies: ["HummingbirdFixture", "TestSupport"],
            exclude: ["Clients"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "StickyHummingbirdTests",
            dependencies: [
                "StickyHummingbird", "StickyNIO", "StickyServer", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "HummingbirdCore", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOEmbedded", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTP2", package: "swift-nio-http2", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOTLS", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
            ],
            swiftSettings: strict
        ),
        // TLS as real processes, with real clients: one test for each class of bug that others have had (T1-T34).
        .testTarget(
            name: "TLSIntegrationTests",
            dependencies: ["TLSFixture", "TestSupport"],
            exclude: ["Clients"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "StickyTLSTests",
            dependencies: ["StickyTLS", "StickyKeySchedule", "CTLS", "TLSTestSupport", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "StickyDemoTests",
            dependencies: [
                "StickyDemo", "StickyHummingbird", "StickyNIO", "StickyServer", "StickyTLS",
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(name: "NIOEmbedded", package: "swift-nio", condition: .when(traits: ["Hummingbird"])),
                .product(
                    name: "ArgumentParser",
                    package: "swift-argument-parser",
                    condition: .when(traits: ["Hummingbird"])
                ),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "StickyNIOTests",
            dependencies: [
                "StickyNIO", "StickyServer", "StickyTLS", "CTLS", "TLSTestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOTLS", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["NIO"])),
                .product(name: "NIOEmbedded", package: "swift-nio", condition: .when(traits: ["NIO"])),
            ],
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)
