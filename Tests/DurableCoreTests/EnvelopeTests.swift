// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import Testing

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func text(_ bytes: Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

private let validTypes = """
    Valid types: SQL, THEN, IF, JOIN, LOOP, BREAK, RACE, SLEEP, WAIT_SCHEDULE, HTTP, HTTP_MULTIPART, SIGNAL
    """

@Suite struct EnvelopeTests {
    // Whatever is no object that names a node type is the text of a SQL step, in both contexts.
    @Test(arguments: [
        "", " ", "SELECT 1", "'x'", "null", "5", "\"SQL\"", "[]", "[1]", "{}", "{x", "{", "[",
        "{\"a\":1}",
        "{\"node_type\":5}", "{\"node_type\":null}", "{\"node_type\":[\"SQL\"]}",
        "{\"x\":\"\\u0000\"}",
        "{\"node_type\":\"SQL\",\"query\":\"a\"} b", "\u{A0}{\"node_type\":\"SQL\"}",
        "[\"SQL\",null,null,null,[],\"SELECT 1\"]",
        "[\"select\",null,null,null,[],\"SELECT 1\",null]",
        "{\"node_type\":\"SQL\",\"query\":\"\\ud800\"}",
    ])
    func sqlText(input: String) throws {
        for context in [Envelope.Context.composer, .start] {
            #expect(try Envelope.classify(bytes(input), context: context) == .sql(bytes(input)))
        }
        #expect(
            try Envelope.start(bytes(input))
                == Graph(nodes: [Node(kind: .sql, query: bytes(input))])
        )
    }

    // Envelopes are recognised whatever the order, blanks, escapes and unknown members.
    @Test(arguments: [
        #"{"node_type":"SQL","query":"a"}"#,
        "\t{ \"query\" : \"a\" , \"node_type\" : \"SQL\" }\r\n",
        #"{"x":{"node_type":5},"node_type":"S\u0051L","query":"\u0061","left_node":null,"result_name":null}"#,
        #"{"node_type":"SQL","query":"a","extra_nodes":[],"condition_node":null,"right_node":null}"#,
    ])
    func recognised(input: String) throws {
        let expected = EnvelopeNode(kind: .sql, query: bytes("a"))
        #expect(try Envelope.classify(bytes(input)) == .node(expected))
        #expect(try Envelope.start(bytes(input)).nodes == [Node(kind: .sql, query: bytes("a"))])
        #expect(try Envelope.graph(bytes(input)) == Envelope.start(bytes(input)))
        #expect(Envelope.malformation(bytes(input)) == nil)
    }

    // Malformed envelopes are named as such, with the place.
    @Test(arguments: [
        (
            #"{"node_type":"SQL","query":"a","query":"b"}"#,
            "duplicate field `query` at line 1 column 38"
        ),
        (
            #"{"node_type":"SQL","node_type":"SQL"}"#,
            "duplicate field `node_type` at line 1 column 30"
        ),
        (
            "{\"node_type\":\"SQL\",\n\"query\":5}",
            "invalid type: integer `5`, expected a string at line 2 column 9"
        ),
        (
            #"{"node_type":"SQL","query":1.5}"#,
            "invalid type: floating point `1.5`, expected a string at line 1 column 30"
        ),
        (
            #"{"node_type":"SQL","query":true}"#,
            "invalid type: boolean `true`, expected a string at line 1 column 31"
        ),
        (
            #"{"node_type":"SQL","query":{}}"#,
            "invalid type: map, expected a string at line 1 column 27"
        ),
        (
            #"{"node_type":"SQL","result_name":[]}"#,
            "invalid type: sequence, expected a string at line 1 column 33"
        ),
        (
            #"{"node_type":"THEN","left_node":"x"}"#,
            "Durofut children must be JSON objects at line 1 column 35"
        ),
        (
            #"{"node_type":"THEN","right_node":[]}"#,
            "Durofut children must be JSON objects at line 1 column 35"
        ),
        (
            #"{"node_type":"IF","condition_node":1}"#,
            "condition_node must be a Durofut JSON object at line 1 column 36"
        ),
        (
            #"{"node_type":"JOIN","extra_nodes":null}"#,
            "invalid type: null, expected a sequence at line 1 column 38"
        ),
        (
            #"{"node_type":"JOIN","extra_nodes":"x"}"#,
            "invalid type: string \"x\", expected a sequence at line 1 column 37"
        ),
        (
            #"{"node_type":"JOIN","extra_nodes":[{},1]}"#,
            "extra_nodes entries must be Durofut JSON objects at line 1 column 39"
        ),
    ])
    func malformed(input: String, why: String) {
        let type =
            input.contains("\"SQL\"")
            ? "SQL" : input.contains("THEN") ? "THEN" : input.contains("IF") ? "IF" : "JOIN"
        let composer = #expect(throws: EnvelopeError.self) { try Envelope.classify(bytes(input)) }
        #expect(
            text(composer?.message)
                == "Invalid Durofut JSON: failed to deserialize workflow step: \(why)"
        )
        #expect(text(composer?.sqlstate) == "22023")
        let start = #expect(throws: EnvelopeError.self) { try Envelope.start(bytes(input)) }
        #expect(
            text(start?.message)
                == "Invalid durable function: Malformed Durofut JSON with node_type '\(type)': \(why)"
        )
        #expect(
            text(Envelope.malformation(bytes(input))) == "failed to deserialize Durofut: \(why)"
        )
    }

    // An unknown type is an error everywhere, where the original's composers took it for SQL.
    @Test func unknownType() {
        let unknown = bytes(#"{"node_type":"sql","query":"a"}"#)
        let composer = #expect(throws: EnvelopeError.self) { try Envelope.classify(unknown) }
        #expect(
            text(composer?.message)
                == "Invalid Durofut JSON: Unknown node_type 'sql'. \(validTypes)"
        )
        let start = #expect(throws: EnvelopeError.self) { try Envelope.start(unknown) }
        #expect(
            text(start?.message)
                == "Invalid durable function: Unknown node_type 'sql'. \(validTypes)"
        )
        let graph = #expect(throws: EnvelopeError.self) { try Envelope.graph(unknown) }
        #expect(
            text(graph?.message)
                == "Invalid durable function graph: root: Unknown node_type 'sql'. \(validTypes)"
        )
        let both = bytes(#"{"node_type":"X","query":5}"#)
        let composerBoth = #expect(throws: EnvelopeError.self) { try Envelope.classify(both) }
        #expect(
            text(composerBoth?.message)?.contains(
                "failed to deserialize workflow step: invalid type"
            ) == true
        )
        let startBoth = #expect(throws: EnvelopeError.self) { try Envelope.start(both) }
        #expect(text(startBoth?.message)?.contains("Unknown node_type 'X'") == true)
        // A name of megabytes is cut in the message, between characters.
        let long = bytes(#"{"node_type":""# + String(repeating: "é", count: 1_000_000) + "\"}")
        let cut = #expect(throws: EnvelopeError.self) { try Envelope.start(long) }
        #expect((cut?.message.count ?? .max) < 700)
        #expect(text(cut?.message)?.contains("é...'") == true)
    }

    // What the original's parser lets pass by accident is refused.
    @Test func accidents() {
        let array = bytes(#"["SQL",null,null,null,[],"SELECT 1",null]"#)
        let inArray = #expect(throws: EnvelopeError.self) { try Envelope.classify(array) }
        #expect(text(inArray?.message)?.contains("must be a JSON object, not an array") == true)
        let deep =
            #"{"node_type":"SQL","query":5,"x":"# + String(repeating: "[", count: 5000)
            + String(repeating: "]", count: 5000) + "}"
        let tooDeep = #expect(throws: EnvelopeError.self) { try Envelope.classify(bytes(deep)) }
        #expect(text(tooDeep?.message)?.contains("failed to deserialize workflow step") == true)
        for source in [
            #"{"node_type":"SQL","query":"\u0000"}"#,
            #"{"node_type":"THEN","left_node":{"query":"\u0000"}}"#,
        ] {
            for context in [Envelope.Context.composer, .start] {
                let error = #expect(throws: EnvelopeError.self) {
                    try Envelope.classify(bytes(source), context: context)
                }
                #expect(text(error?.sqlstate) == "22P05")
                #expect(text(error?.detail) == #"\u0000 cannot be converted to text."#)
            }
            #expect(throws: EnvelopeError.self) { try Envelope.graph(bytes(source)) }
        }
        let flood = Bytes(repeating: UInt8(ascii: "["), count: 4_000_001)
        for take in [
            { try Envelope.classify($0).node.print() }, { Envelope.print(try Envelope.graph($0)) },
        ]
            as [(Bytes) throws -> Bytes]
        {
            let error = #expect(throws: EnvelopeError.self) { try take(flood) }
            #expect(text(error?.sqlstate) == "54000")
            #expect(text(error?.message)?.contains("more than 4000000 values") == true)
        }
        let bad = #expect(throws: EnvelopeError.self) { try Envelope.start([0xC3]) }
        #expect(text(bad?.sqlstate) == "22021")
    }

    // Texts that are no envelope object have a reason, for df.explain.
    @Test(arguments: [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("SELECT", "expected value at line 1 column 1"),
        ("5", "invalid type: integer `5`, expected struct Durofut at line 1 column 1"),
        ("{}", "missing field `node_type` at line 1 column 2"),
        (#"{"node_type":5}"#, "invalid type: integer `5`, expected a string at line 1 column 14"),
    ])
    func malformation(input: String, why: String) {
        #expect(
            text(Envelope.malformation(bytes(input))) == "failed to deserialize Durofut: \(why)"
        )
        let error = #expect(throws: EnvelopeError.self) { try Envelope.graph(bytes(input)) }
        let expected = "Invalid durable function graph: root: failed to deserialize Durofut: \(why)"
        #expect(text(error?.message) == expected)
    }
}
