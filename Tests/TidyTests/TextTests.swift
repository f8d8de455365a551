// SPDX-License-Identifier: PostgreSQL

import Foundation
import Testing

/// House rules about files and lines.
@Suite struct TextTests {
    /// Longer than the rule, each with its reason.
    static let longFiles: [String: Int] = [:]

    static let code: Set = ["swift", "c", "h"]

    /// The rules below mean nothing when no file is found.
    @Test func theCheckoutIsFound() {
        for path in ["Makefile", "Package.swift", "sql/order.list", "scripts/check", "pgtest/run"] {
            #expect(Checkout.files.contains { $0.path == path }, "\(path)")
        }
    }

    /// A file that needs scrolling hides its idea: 400 lines at most.
    @Test func filesAreShort() {
        let found = Checkout.files
            .filter { Self.code.contains($0.kind) || $0.kind == "py" }
            .filter { $0.lines.count > Self.longFiles[$0.path, default: 400] }
            .map { "\($0.path): \($0.lines.count) lines" }
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// Two files side by side fit a screen: 120 columns.
    @Test func linesAreShort() {
        var found: [String] = []
        for file in Checkout.files where !["md", "sql"].contains(file.kind) {
            for (index, line) in file.lines.enumerated() where line.count > 120 {
                found.append("\(file.path):\(index + 1): \(line.count) columns")
            }
        }
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// One licence line, first in every source file.
    @Test func sourcesNameTheirLicence() {
        let found = Checkout.files
            .filter { Self.code.contains($0.kind) && $0.path != "Package.swift" }
            .filter { file in
                !file.lines.prefix(2).contains { $0.contains("SPDX-License-Identifier: PostgreSQL") }
            }
            .map(\.path)
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// What is not done is an issue, not a comment.
    @Test func nothingIsLeftForLater() throws {
        let mine = "Tests/TidyTests/"
        let words = ["TODO", "FIXME", "XXX"].joined(separator: "|")
        let files = Checkout.files.filter { !$0.path.hasPrefix(mine) && $0.kind != "md" }
        let found = try Checkout.matches("\\b(\(words))\\b", in: files, comments: true)
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// The checkout works anywhere: no path of the machine it was written on.
    @Test func noPathsOfOneMachine() throws {
        let files = Checkout.files.filter { !$0.path.hasPrefix("Tests/TidyTests/") }
        let found = try Checkout.matches(
            "(?<![A-Za-z.])/(work/|root/|opt/swift|tmp/bash_jobs|tmp/pgsrc|tmp/build-|home/[a-z]+/)",
            in: files,
            comments: true
        )
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// No tabs but in the Makefile, no blanks at line ends.
    @Test func whitespaceIsPlain() throws {
        let files = Checkout.files.filter { $0.path != "Makefile" && !$0.path.hasSuffix(".out") }
        let found = try Checkout.matches("\\t|[ \\t]$", in: files, comments: true)
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// Links between our documents lead somewhere.
    @Test func linksResolve() throws {
        let link = try Regex("\\]\\(([^)#\\s]+)(#[^)]*)?\\)", as: (Substring, Substring, Substring?).self)
        var found: [String] = []
        for file in Checkout.files where file.kind == "md" {
            let directory = Checkout.root.appendingPathComponent(file.path).deletingLastPathComponent()
            for (index, line) in file.lines.enumerated() {
                for match in line.matches(of: link) {
                    let target = String(match.output.1)
                    if target.contains("://") || target.hasPrefix("mailto:") { continue }
                    let path = directory.appendingPathComponent(target).path
                    if !FileManager.default.fileExists(atPath: path) {
                        found.append("\(file.path):\(index + 1): \(target)")
                    }
                }
            }
        }
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// docs/traps.md and docs/differences.md name the test that holds each row: such a test exists.
    @Test func namedTestsExist() throws {
        let name = try Regex(
            "`([A-Za-z_]+)([./])([A-Za-z_0-9]+)`",
            as: (Substring, Substring, Substring, Substring).self
        )
        var found: [String] = []
        for path in ["docs/traps.md", "docs/differences.md"] {
            let document = try #require(Checkout.files.first { $0.path == path })
            for (index, line) in document.lines.enumerated() where line.hasPrefix("|") {
                let last = line.split(separator: "|").last ?? ""
                for match in last.matches(of: name) where !Self.isTest(match.output.1, match.output.3) {
                    found.append("\(path):\(index + 1): \(match.output.0)")
                }
            }
        }
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// Whether there is a test `name` in the suite, in Python or Swift, or a file of that name for pg_regress.
    static func isTest(_ suite: Substring, _ name: Substring) -> Bool {
        let places = [
            ("pgtest/t/\(suite).py", "def \(name)("), ("pgtest/regress/sql/\(name).sql", ""),
            ("Tests/DurableCoreTests/\(suite).swift", "func \(name)("),
            ("Tests/DurableRuntimeTests/\(suite).swift", "func \(name)("),
        ]
        return places.contains { path, definition in
            guard (suite == "regress") == path.hasPrefix("pgtest/regress/") else { return false }
            let file = Checkout.files.first { $0.path == path }
            return file.map { definition.isEmpty || $0.text.contains(definition) } ?? false
        }
    }

    /// Each difference from the original is shown by a test.
    @Test func differencesAreTested() throws {
        let document = try #require(Checkout.files.first { $0.path == "docs/differences.md" })
        let rows = document.lines.filter {
            $0.hasPrefix("|") && !$0.hasPrefix("|---") && !$0.hasPrefix("| | there")
        }
        #expect(rows.count > 40)
        let reference = try Regex("`[A-Za-z_]+[./][A-Za-z_0-9]+`( |,)[^|]*\\|$")
        let found = rows.filter { $0.firstMatch(of: reference) == nil }
        #expect(found.isEmpty, "\(found.listed)")
    }

    /// `make help` is the list of targets: each one is explained there and used by CI or a document.
    @Test func makeTargetsAreExplainedAndUsed() throws {
        let makefile = try #require(Checkout.files.first { $0.path == "Makefile" })
        let documents = Checkout.files.filter {
            $0.kind == "md" || $0.path == ".ci/run" || $0.path.hasPrefix("scripts/")
        }
        var found: [String] = []
        for line in makefile.lines {
            guard let colon = line.firstIndex(of: ":"), !line.hasPrefix("."), !line.hasPrefix("\t") else {
                continue
            }
            let target = String(line[..<colon])
            guard !target.isEmpty, target.allSatisfy({ $0.isLowercase }) else { continue }
            if !line.contains(" ## ") { found.append("\(target): no explanation") }
            if !documents.contains(where: { $0.text.contains("make \(target)") }) {
                found.append("\(target): unused")
            }
        }
        #expect(found.isEmpty, "\(found.listed)")
    }
}
