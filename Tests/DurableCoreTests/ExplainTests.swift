// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import Testing

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }

private func tree(_ envelope: Bytes) throws -> String {
    String(decoding: Explain.render(graph: try Envelope.start(envelope)), as: UTF8.self)
}

// The lines without their padding; checks that the padding itself is right.
private func lines(_ envelope: Bytes) throws -> [String] {
    let padded = try tree(envelope).split(separator: "\n", omittingEmptySubsequences: false)
    let trimmed = padded.map { line in
        String(line.reversed().drop { $0 == " " }.reversed())
    }
    let width = (trimmed.map(\.unicodeScalars.count).max() ?? 0) + 4
    #expect(padded.allSatisfy { $0.unicodeScalars.count == width })
    return trimmed
}

private let digits = "123456789012345678901234567890"

@Suite struct ExplainTests {
    // The specification's own nested example, character by character.
    @Test func nestedExample() throws {
        let first = try Compose.name(bytes("SELECT 0"), bytes("z"))
        let conditional = try Compose.ifElse(
            bytes("SELECT true"),
            then: try Compose.seq(bytes("SELECT 1"), bytes("SELECT 11")),
            else: try Compose.break(bytes("done"))
        )
        let loop = try Compose.name(
            try Compose.loop(bytes("SELECT 3"), while: bytes("SELECT false")),
            bytes("l")
        )
        let join = try Compose.join(conditional, loop)
        let whole = try Compose.seq(try Compose.seq(first, join), bytes("SELECT 5"))
        let expected = """
            SQL: SELECT 0 |=> 'z'
            → JOIN (2)
                ║ branch 1:
                  ├─IF
                  │   ? condition:
                  │     └─SQL: SELECT true
                  │   ✓ then:
                  │     └─SQL: SELECT 1
                  │     → SQL: SELECT 11
                  │   ✗ else:
                  │     └─BREAK 'done'
                ║ branch 2:
                  └─LOOP (while) |=> 'l'
                      ↻ body:
                        └─SQL: SELECT 3
                      ? while:
                        └─SQL: SELECT false
            → SQL: SELECT 5
            """
        #expect(try lines(whole).joined(separator: "\n") == expected)
    }

    // The short example with its padding, and the two shapes of nested sequences.
    @Test func sequences() throws {
        let two = try Compose.seq(bytes("SELECT 1"), bytes("SELECT 2"))
        #expect(try tree(two) == "SQL: SELECT 1      \n→ SQL: SELECT 2    ")
        let left = try Compose.seq(two, bytes("SELECT 3"))
        let right = try Compose.seq(
            bytes("SELECT 1"),
            try Compose.seq(bytes("SELECT 2"), bytes("SELECT 3"))
        )
        #expect(try lines(left) == ["SQL: SELECT 1", "→ SQL: SELECT 2", "→ SQL: SELECT 3"])
        #expect(try lines(right) == lines(left))
        #expect(
            try lines(try Compose.join(two, bytes("SELECT 3"))) == [
                "JOIN (2)", "    ║ branch 1:", "      ├─SQL: SELECT 1", "      → SQL: SELECT 2",
                "    ║ branch 2:", "      └─SQL: SELECT 3",
            ]
        )
        #expect(
            try lines(
                try Compose.join3(bytes("a"), try Compose.race(bytes("b"), bytes("c")), bytes("d"))
            ) == [
                "JOIN (3)", "    ║ branch 1:", "      ├─SQL: a", "    ║ branch 2:", "      ├─RACE",
                "      │   ║ branch 1:", "      │     ├─SQL: b", "      │   ║ branch 2:",
                "      │     └─SQL: c", "    ║ branch 3:", "      └─SQL: d",
            ]
        )
    }

    // Each kind of node, named or not, with and without its configuration.
    @Test(arguments: [
        (#"{"node_type":"SQL","query":"SELECT 1","result_name":"a"}"#, "SQL: SELECT 1 |=> 'a'"),
        (#"{"node_type":"SQL"}"#, "SQL: ?"),
        (#"{"node_type":"SLEEP","query":"5"}"#, "SLEEP 5s"),
        (#"{"node_type":"SLEEP"}"#, "SLEEP ?s"),
        (
            #"{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"* * * * *\"}"}"#,
            "WAIT '* * * * *'"
        ),
        (#"{"node_type":"WAIT_SCHEDULE","query":"nope"}"#, "WAIT '?'"),
        (
            #"{"node_type":"SIGNAL","query":"{\"signal_name\":\"s\",\"timeout_seconds\":null}"}"#,
            "SIGNAL 's'"
        ),
        (
            #"{"node_type":"SIGNAL","query":"{\"signal_name\":\"s\",\"timeout_seconds\":9}"}"#,
            "SIGNAL 's' (9s)"
        ),
        (#"{"node_type":"SIGNAL","query":"[]"}"#, "SIGNAL '?'"),
        (
            #"{"node_type":"HTTP","query":"{\"url\":\"https://x\",\"method\":\"GET\"}"}"#,
            "HTTP GET https://x"
        ),
        (#"{"node_type":"HTTP"}"#, "HTTP ? ?"),
        (
            #"{"node_type":"HTTP_MULTIPART","query":"{\"method\":\"PUT\",\"url\":\"https://\#(digits)1234\"}"}"#,
            "HTTP_MULTIPART PUT https://12345678901234567890123456789..."
        ),
        (#"{"node_type":"BREAK"}"#, "BREAK"),
        (#"{"node_type":"BREAK","query":"{\"break_value\":null}"}"#, "BREAK"),
        (
            #"{"node_type":"BREAK","query":"{\"break_value\":\"123456789012345678901\"}","result_name":"b"}"#,
            "BREAK '12345678901234567...' |=> 'b'"
        ),
        (#"{"node_type":"RACE","result_name":"r"}"#, "RACE"),
        (#"{"node_type":"JOIN","result_name":"j"}"#, "JOIN (0) |=> 'j'"),
        (#"{"node_type":"LOOP"}"#, "LOOP (infinite)"),
        (#"{"node_type":"IF","query":"{\"condition_type\":\"x\"}"}"#, "IF"),
        (#"{"node_type":"THEN"}"#, "THEN"),
    ])
    func nodes(envelope: String, line: String) throws {
        #expect(try lines(bytes(envelope)) == [line])
    }

    // Long texts are cut at a number of characters, never inside one; newlines are kept and padded.
    @Test func cutting() throws {
        let fifty = String(repeating: "é", count: 50)
        #expect(try lines(bytes(fifty)) == ["SQL: " + fifty])
        #expect(
            try lines(bytes(fifty + "é")) == ["SQL: " + String(repeating: "é", count: 47) + "..."]
        )
        #expect(try tree(bytes("a\n\nbcdefghij")) == "SQL: a       \n             \nbcdefghij    ")
    }

    // Marks follow the name.
    @Test func marks() throws {
        let graph = try Envelope.start(
            try Compose.seq(try Compose.name(bytes("a"), bytes("n")), bytes("b"))
        )
        let glyphs: [ExplainGlyph?] = [.completed, .failed, nil]
        let text = Explain.render(graph: graph) { glyphs[Int($0.rawValue)] }
        #expect(
            String(decoding: text, as: UTF8.self) == "SQL: a |=> 'n' ✗    \n→ SQL: b            "
        )
    }

    // The header's lines, icons and cut.
    @Test(
        arguments: [
            (nil, "Running", nil, "Instance: 0a1b2c3d\nStatus:   ⏳ Running\n\n"),
            (
                "nightly", "Completed", "[]",
                "Instance: 0a1b2c3d (nightly)\nStatus:   ✓ Completed\nOutput:   []\n\n"
            ),
            (nil, "cancelled", nil, "Instance: 0a1b2c3d\nStatus:   ✗ cancelled\n\n"),
            (nil, "pending", nil, "Instance: 0a1b2c3d\nStatus:   ○ pending\n\n"),
            (
                nil, "Failed", String(repeating: "x", count: 61),
                "Instance: 0a1b2c3d\nStatus:   ✗ Failed\nOutput:   "
                    + String(repeating: "x", count: 57) + "...\n\n"
            ),
        ] as [(String?, String, String?, String)]
    )
    func header(label: String?, status: String, output: String?, expected: String) {
        let text = Explain.header(
            id: bytes("0a1b2c3d"),
            label: label.map { bytes($0) },
            status: bytes(status),
            output: output.map { bytes($0) }
        )
        #expect(String(decoding: text, as: UTF8.self) == expected)
    }

    // Hostile sizes: a huge name beside thousands of nodes, the deepest graph, a graph that is no tree.
    @Test func hostile() throws {
        let huge = try Compose.name(
            bytes("x"),
            Bytes(repeating: UInt8(ascii: "n"), count: 1_000_000)
        )
        let child = String(decoding: try Compose.sql(bytes("y")), as: UTF8.self)
        let extras = Array(repeating: child, count: 1_000).joined(separator: ",")
        let wide = """
            {"node_type":"JOIN","left_node":\(String(decoding: huge, as: UTF8.self)),\
            "right_node":\(child),"extra_nodes":[\(extras)]}
            """
        #expect(Explain.render(graph: try Envelope.graph(bytes(wide))).count < 6_000_000)

        var deep = try Compose.sql(bytes("z"))
        for _ in 0..<Graph.depthMax { deep = try Compose.loop(deep) }
        #expect(try lines(deep).count == 2 * Graph.depthMax + 1)

        let cycle = Graph(nodes: [Node(kind: .then, left: .root, right: .root)])
        #expect(Explain.render(graph: cycle).count == 4)
        let dangling = Graph(nodes: [Node(kind: .loop, left: NodeIndex(rawValue: 7))])
        #expect(Explain.render(graph: dangling).count > 4)
        #expect(Explain.render(graph: Graph(nodes: [])).count == 4)
    }

    // The report stands below its node, on one line each for message and hint, and widens nothing.
    @Test func reportsOfFailures() throws {
        let graph = try Envelope.graph(try Compose.join(bytes("SELECT 1"), bytes("SELECT 2")))
        let long = String(repeating: "é", count: 300)
        let failure = StepFailure(
            sqlstate: bytes("22012"),
            message: bytes("division\nby\r\nzero"),
            hint: bytes(long)
        )
        let text = Explain.render(
            graph: graph,
            status: { _ in .failed },
            failure: { $0.rawValue == 1 ? failure : nil }
        )
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines[2] == "      ├─SQL: SELECT 1 ✗    ")
        #expect(lines[3] == "      │   ERROR 22012: division by zero")
        #expect(lines[4] == "      │   HINT: \(String(repeating: "é", count: 197))...")
        #expect(lines.count == 7)
    }
}
