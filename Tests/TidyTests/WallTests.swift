// SPDX-License-Identifier: PostgreSQL

import Testing

/// The walls between modules that Package.swift alone cannot hold.
@Suite struct WallTests {
    static let pure = ["Sources/DurableModel", "Sources/DurableCore"]
    static let server = [
        "Sources/CPostgres", "Sources/PostgresExtension", "Sources/DurablePostgres", "Sources/PgDurable",
        "Sources/CPgDurable",
    ]
    static let productionSwift =
        pure + [
            "Sources/DurableRuntime", "Sources/PostgresExtension", "Sources/DurablePostgres",
            "Sources/PgDurable",
        ]

    func files(_ directories: [String], kinds: Set<String> = ["swift"]) -> [SourceFile] {
        directories.flatMap { Checkout.files(under: $0, kinds: kinds) }
    }

    /// A replay must give the same answer on any day: the model and the core know no clock, chance or I/O.
    @Test func pureModulesAreDeterministic() throws {
        let words = [
            "random", "Date\\(", "ContinuousClock", "SuspendingClock", "DispatchTime", "clock_gettime",
            "getenv",
            "readLine", "fopen", "Hasher\\(\\)", "hashValue", "ObjectIdentifier",
        ]
        // `print` only as a free function: envelopes have a method of that name.
        let pattern = "\\b(" + words.joined(separator: "|") + ")|(?<![.\\w])(?<!func )print\\("
        let found = try Checkout.matches(pattern, in: files(Self.pure))
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// Imports are the arrows of design; each module may name only those below it.
    @Test func modulesImportOnlyWhatTheyMay() throws {
        let allowed: [String: Set<String>] = [
            "DurableModel": [],
            "DurableCore": ["DurableModel"],
            "DurableRuntime": ["DurableModel", "DurableCore"],
            "DurableTestKit": ["DurableModel", "DurableCore", "DurableRuntime"],
            "PostgresExtension": ["CPostgres"],
            "DurablePostgres": [
                "CPostgres", "CHTTPInterface", "PostgresExtension", "DurableModel", "DurableCore",
                "DurableRuntime",
            ],
            "PgDurable": [
                "CPgDurable", "CPostgres", "PostgresExtension", "DurablePostgres", "DurableModel",
                "DurableCore",
                "DurableRuntime",
            ],
        ]
        var found: [String] = []
        for (module, may) in allowed {
            for file in files(["Sources/" + module]) {
                for (index, line) in file.codeLines.enumerated() {
                    let words = line.split(separator: " ").map(String.init)
                    guard let at = words.firstIndex(of: "import"), at + 1 < words.count else { continue }
                    guard words[..<at].allSatisfy({ $0.hasPrefix("@") || $0 == "public" || $0 == "internal" })
                    else {
                        continue
                    }
                    if !may.contains(words[at + 1]) { found.append("\(file.path):\(index + 1): \(line)") }
                }
            }
        }
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// One door to C: only these targets may import the shim.
    @Test func onlyTheServerSideSeesCPostgres() throws {
        let others = Checkout.files.filter { file in
            file.kind == "swift" && file.path.hasPrefix("Sources/")
                && !Self.server.contains { file.path.hasPrefix($0 + "/") }
        }
        let found = try Checkout.matches(
            "\\bimport\\s+(CPostgres|CPgDurable|PostgresExtension)\\b",
            in: others
        )
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// The library that moves bytes knows nothing of the server or of what is done with them.
    @Test func transportIsAlone() throws {
        let sources = files(["Sources/HTTPTransport", "Sources/CHTTPInterface"], kinds: ["c", "h"])
        #expect(sources.count >= 4)
        let found = try Checkout.matches(
            "#\\s*include\\s*[\"<](postgres|pgs_|CPostgres)|(?i)(durable|journal|instance)",
            in: sources
        )
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// postgres.h is included in the C targets' own sources, never in a header that Swift sees.
    @Test func publicHeadersDoNotIncludePostgres() throws {
        let headers = Checkout.files(under: "Sources").filter { $0.path.contains("/include/") }
        let found = try Checkout.matches("#\\s*include\\s*[\"<](postgres|fmgr|c)\\.h", in: headers)
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// The framework could be published alone: it knows no word of workflows.
    @Test func frameworkKnowsNoWorkflowWord() throws {
        // English or PostgreSQL's own words are no workflow words.
        let found = try Checkout.matches(
            "(?i)(workflow|durable|(?<!for )instance|journal|graph(?!ic))",
            in: files(["Sources/PostgresExtension", "Sources/CPostgres"], kinds: ["swift", "c", "h"]),
            comments: true
        )
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// A trap stops the server: nothing that can trap on a user's value is written in its sources.
    @Test func nothingTrapsInTheServer() throws {
        let patterns = [
            "\\btry!", "\\bas!", "\\bfatalError\\b", "\\bpreconditionFailure\\b", "\\bprecondition\\(",
            "\\bassertionFailure\\b", "\\bunowned\\(unsafe\\)", "\\.unsafelyUnwrapped",
        ]
        let found = try Checkout.matches(patterns.joined(separator: "|"), in: files(Self.productionSwift))
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// A force unwrap is a trap too: `x!` after a name, a call or an index.
    @Test func nothingIsForceUnwrapped() throws {
        let found = try Checkout.matches("[A-Za-z0-9_)\\]]!(?![=A-Za-z])", in: files(Self.productionSwift))
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// No threads and no Foundation in a server process.
    @Test func noConcurrencyInTheServer() throws {
        let found = try Checkout.matches(
            "\\b(import (Foundation|FoundationEssentials|Dispatch)|Task\\s*\\{|Task\\.|async\\b|await\\b|Thread\\()",
            in: files(Self.productionSwift)
        )
        #expect(found.isEmpty, "\(found.listed)")
    }
}
