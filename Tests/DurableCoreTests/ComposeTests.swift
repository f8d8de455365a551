// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import Testing

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func text(_ bytes: Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct ComposeTests {
    static let one = #"{"node_type":"SQL","query":"a"}"#
    static let two = #"{"node_type":"SQL","query":"b"}"#
    static let three = #"{"node_type":"SQL","query":"c"}"#

    // Every constructor writes the one compact object that the specification shows.
    @Test func constructors() throws {
        let (a, b, c) = (bytes("a"), bytes("b"), bytes("c"))
        let (one, two, three) = (Self.one, Self.two, Self.three)
        let table: [(Bytes, String)] = [
            (try Compose.sql(a), one),
            (
                try Compose.sql(bytes(one)),
                #"{"node_type":"SQL","query":"{\"node_type\":\"SQL\",\"query\":\"a\"}"}"#
            ),
            (try Compose.sql([]), #"{"node_type":"SQL","query":""}"#),
            (
                try Compose.seq(a, b),
                #"{"node_type":"THEN","left_node":\#(one),"right_node":\#(two)}"#
            ),
            (
                try Compose.seq(bytes(one), bytes(two)),
                #"{"node_type":"THEN","left_node":\#(one),"right_node":\#(two)}"#
            ),
            (
                try Compose.name(a, bytes("_x1")),
                #"{"node_type":"SQL","query":"a","result_name":"_x1"}"#
            ),
            (
                try Compose.name(try Compose.name(a, bytes("x")), bytes("Y")),
                #"{"node_type":"SQL","query":"a","result_name":"Y"}"#
            ),
            (
                try Compose.join(a, b),
                #"{"node_type":"JOIN","left_node":\#(one),"right_node":\#(two)}"#
            ),
            (
                try Compose.join3(a, b, c),
                #"{"node_type":"JOIN","left_node":\#(one),"right_node":\#(two),"extra_nodes":[\#(three)]}"#
            ),
            (
                try Compose.race(a, b),
                #"{"node_type":"RACE","left_node":\#(one),"right_node":\#(two)}"#
            ),
            (try Compose.loop(a), #"{"node_type":"LOOP","left_node":\#(one)}"#),
            (
                try Compose.loop(a, while: b),
                #"{"node_type":"LOOP","left_node":\#(one),"condition_node":\#(two)}"#
            ),
            (try Compose.break(), #"{"node_type":"BREAK","query":"{\"break_value\":null}"}"#),
            (
                try Compose.break(bytes(#"{"node_type":"SQL"}"#)),
                #"{"node_type":"BREAK","query":"{\"break_value\":\"{\\\"node_type\\\":\\\"SQL\\\"}\"}"}"#
            ),
            (
                try Compose.ifElse(a, then: b, else: c),
                #"{"node_type":"IF","left_node":\#(two),"right_node":\#(three),"condition_node":\#(one)}"#
            ),
            (
                try Compose.ifRows(bytes("r \""), then: b, else: c),
                #"{"node_type":"IF","left_node":\#(two),"right_node":\#(three),"#
                    + #""query":"{\"condition_type\":\"result_has_rows\",\"result_name\":\"r \\\"\"}"}"#
            ),
            (try Compose.sleep(seconds: 5), #"{"node_type":"SLEEP","query":"5"}"#),
            (try Compose.sleep(seconds: 0), #"{"node_type":"SLEEP","query":"0"}"#),
            (
                try Compose.sleep(seconds: .max),
                #"{"node_type":"SLEEP","query":"9223372036854775807"}"#
            ),
            (
                try Compose.schedule(
                    bytes("* * * * *"),
                    now: Timestamp(rawValue: 0),
                    zones: NoTimeZones()
                ),
                #"{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"* * * * *\"}"}"#
            ),
            (
                try Compose.signal(bytes("go")),
                #"{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":null}"}"#
            ),
            (
                try Compose.signal(bytes("go"), timeout: 7),
                #"{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":7}"}"#
            ),
        ]
        for (made, expected) in table {
            #expect(text(made) == expected)
            #expect(throws: Never.self) { try Envelope.checkStructure(try Envelope.graph(made)) }
        }
    }

    // An operand's own members are put in order, unknown ones are lost, its children stay as they are.
    @Test func operandsAreRewritten() throws {
        let operand = """
             {"result_name":"n", "right_node": { "x":1, "node_type" : "SQL"}, "left_node":\(Self.one),
             "comment":[1], "query":null, "node_type":"TH\\u0045N"}
            """
        let expected =
            #"{"node_type":"LOOP","left_node":{"node_type":"THEN","left_node":\#(Self.one),"#
            + #""right_node":{ "x":1, "node_type" : "SQL"},"result_name":"n"}}"#
        #expect(text(try Compose.loop(bytes(operand))) == expected)
    }

    // Arguments are refused in the original's words and with a SQLSTATE of their own.
    @Test func refusals() {
        func refused(
            _ message: String,
            _ sqlstate: String,
            _ make: () throws(EnvelopeError) -> Bytes
        ) {
            let error = #expect(throws: EnvelopeError.self) { try make() }
            #expect(text(error?.message)?.contains(message) == true)
            #expect(text(error?.sqlstate) == sqlstate)
        }
        let a = bytes("a")
        refused("df.as: result name cannot be empty", "22023") { () throws(EnvelopeError) in
            try Compose.name(a, [])
        }
        for name in ["1a", "a b", "a-b", "é", "a\u{1}", " a", "a\n"] {
            refused(
                "df.as: result name '\(name)' is not a valid identifier — must match [a-zA-Z_][a-zA-Z0-9_]*",
                "22023"
            ) { () throws(EnvelopeError) in try Compose.name(a, bytes(name)) }
        }
        refused("Sleep duration must be non-negative", "22023") { () throws(EnvelopeError) in
            try Compose.sleep(seconds: -1)
        }
        refused("Signal name cannot be empty", "22023") { () throws(EnvelopeError) in
            try Compose.signal([])
        }
        for timeout in [0, -1, Int32.min] {
            refused("Timeout must be positive", "22023") { () throws(EnvelopeError) in
                try Compose.signal(a, timeout: timeout)
            }
        }
        refused("invalid byte sequence for encoding \"UTF8\": 0x80", "22021") {
            () throws(EnvelopeError) in
            try Compose.sql([0x41, 0x80])
        }
        refused("invalid byte sequence for encoding \"UTF8\": 0x00", "22021") {
            () throws(EnvelopeError) in
            try Compose.break([0x41, 0])
        }
        refused("invalid byte sequence for encoding \"UTF8\": 0xff", "22021") {
            () throws(EnvelopeError) in
            try Compose.seq(a, [0xFF])
        }
        refused("Invalid Durofut JSON: failed to deserialize workflow step:", "22023") {
            () throws(EnvelopeError) in
            try Compose.seq(a, bytes(#"{"node_type":"SQL","query":5}"#))
        }
    }

    // `?>` and `!>` make the same conditional as df.if, and nothing else is taken for a partial one.
    /// What `!>` makes of both its sides.
    private func otherwise(_ partial: Bytes?, else branch: Bytes?) throws(EnvelopeError) -> Bytes? {
        guard let parts = try Compose.parts(ofPartial: partial), let branch else { return nil }
        return try Compose.ifElse(parts.condition, then: parts.then, else: branch)
    }

    @Test func conditionalOperators() throws {
        let partial = try Compose.partial(bytes("a"), then: bytes("b\""))
        #expect(text(partial) == #"{"condition": "a", "_partial_if": true, "then_branch": "b\""}"#)
        let whole = try otherwise(partial, else: bytes("c"))
        #expect(try whole == Compose.ifElse(bytes("a"), then: bytes("b\""), else: bytes("c")))
        #expect(
            try text(Compose.partial(nil, then: nil))
                == #"{"condition": null, "_partial_if": true, "then_branch": null}"#
        )
        #expect(
            try otherwise(Compose.partial(nil, then: bytes("b")), else: bytes("c")) == nil
        )
        #expect(
            try otherwise(Compose.partial(bytes("a"), then: nil), else: bytes("c")) == nil
        )
        #expect(try otherwise(partial, else: nil) == nil)
        #expect(try otherwise(bytes(#"{"_partial_if":1}"#), else: bytes("c")) == nil)
        let old = #"{"_partial_if":true,"condition":\#(Self.one),"then_branch":\#(Self.two)}"#
        #expect(
            try otherwise(bytes(old), else: bytes("c"))
                == Compose.ifElse(bytes("a"), then: bytes("b"), else: bytes("c"))
        )
        let sql = "Invalid if-then-else: left side of !> must be a ?> expression"
        let cases: [(Bytes?, String, String)] = [
            (nil, sql, "P0001"),
            (try Compose.seq(partial, bytes("y")), sql, "P0001"),
            (bytes("[1]"), sql, "P0001"),
            (bytes("SELECT 1"), "invalid input syntax for type json", "22P02"),
            ([], "invalid input syntax for type json", "22P02"),
            (
                bytes(#"{"_partial_if":1,"condition":"\u0000"}"#),
                "unsupported Unicode escape sequence", "22P05"
            ),
        ]
        for (left, message, sqlstate) in cases {
            let error = #expect(throws: EnvelopeError.self) {
                try otherwise(left, else: bytes("c"))
            }
            #expect(text(error?.message)?.hasSuffix(message) == true)
            #expect(text(error?.sqlstate) == sqlstate)
        }
        // Without `!>` it is the text of a SQL step.
        #expect(try Envelope.classify(partial) == .sql(partial))
        #expect(try Envelope.start(partial).nodes == [Node(kind: .sql, query: partial)])
    }
}
