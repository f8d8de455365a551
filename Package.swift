// swift-tools-version: 6.2
import PackageDescription

// The pure modules build anywhere. What needs a server is declared only when the Makefile says where the
// server's headers are, so that `swift build` and `swift test` work without PostgreSQL.
let serverIncludes = Context.environment["PG_INCLUDEDIR_SERVER"]

// One strict dialect for every Swift target.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

func pure(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

var products: [Product] = []

var targets: [Target] = [
    pure("DurableModel"),
    pure("DurableCore", ["DurableModel"]),
    pure("DurableRuntime", ["DurableModel", "DurableCore"]),
    pure("DurableTestKit", ["DurableModel", "DurableCore", "DurableRuntime"]),
    .executableTarget(
        name: "durable-sim",
        dependencies: ["DurableModel", "DurableCore", "DurableRuntime", "DurableTestKit"],
        swiftSettings: strict
    ),
    tests("DurableCoreTests", ["DurableModel", "DurableCore", "DurableTestKit"]),
    tests(
        "DurableRuntimeTests",
        ["DurableModel", "DurableCore", "DurableRuntime", "DurableTestKit"]
    ),
    tests("TidyTests"),
]

if let serverIncludes {
    let serverC: [CSetting] = [
        .unsafeFlags([
            "-isystem", serverIncludes, "-fno-strict-aliasing", "-fwrapv", "-Wall", "-Wextra",
            "-Werror",
            "-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers",
        ])
    ]
    func library(_ exports: String) -> [LinkerSetting] {
        [
            .unsafeFlags([
                "-static-stdlib", "-use-ld=lld",
                "-Xlinker", "--version-script=\(Context.packageDirectory)/\(exports)",
            ])
        ]
    }
    products += [
        .library(name: "pg_durable", type: .dynamic, targets: ["PgDurable"]),
        .library(name: "pgext_test", type: .dynamic, targets: ["PgExtTest"]),
        .library(name: "pg_durable_http", type: .dynamic, targets: ["HTTPTransport"]),
    ]
    targets += [
        .target(name: "CPostgres", cSettings: serverC),
        .target(name: "CHTTPInterface"),
        // Moves bytes with libcurl and c-ares, in a library that only the HTTP worker loads.
        .target(
            name: "HTTPTransport",
            dependencies: ["CHTTPInterface"],
            cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])],
            linkerSettings: [
                .linkedLibrary("curl"),
                .linkedLibrary("cares"),
                .unsafeFlags([
                    "-static-stdlib", "-use-ld=lld", "-Xlinker", "--gc-sections", "-Xlinker", "--as-needed",
                    "-Xlinker", "--version-script=\(Context.packageDirectory)/exports-http.map",
                ]),
            ]
        ),
        .target(name: "PostgresExtension", dependencies: ["CPostgres"], swiftSettings: strict),
        .target(
            name: "DurablePostgres",
            dependencies: [
                "CPostgres", "CHTTPInterface", "PostgresExtension", "DurableModel", "DurableCore",
                "DurableRuntime",
            ],
            swiftSettings: strict
        ),
        .target(name: "CPgDurable", dependencies: ["CPostgres"], cSettings: serverC),
        .target(
            name: "PgDurable",
            dependencies: [
                "CPgDurable", "CPostgres", "PostgresExtension", "DurablePostgres", "DurableModel",
                "DurableCore", "DurableRuntime",
            ],
            swiftSettings: strict,
            linkerSettings: library("exports.map")
        ),
        // The framework's own test bed and example: an extension that knows nothing of workflows.
        .target(
            name: "CPgExtTest",
            dependencies: ["CPostgres"],
            path: "pgtest/modules/pgext_test/CPgExtTest",
            cSettings: serverC
        ),
        .target(
            name: "PgExtTest",
            dependencies: ["CPgExtTest", "CPostgres", "PostgresExtension"],
            path: "pgtest/modules/pgext_test/PgExtTest",
            swiftSettings: strict,
            linkerSettings: library("pgtest/modules/pgext_test/exports.map")
        ),
    ]
}

let package = Package(name: "pg_durable", products: products, targets: targets)
