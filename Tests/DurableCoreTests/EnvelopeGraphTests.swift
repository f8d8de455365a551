// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import Testing

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func text(_ bytes: Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
private func index(_ value: Int32) -> NodeIndex { NodeIndex(rawValue: value) }

private func sql(_ query: String) -> String { #"{"node_type":"SQL","query":"\#(query)"}"# }

// A seeded source of numbers for random graphs.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

@Suite struct EnvelopeGraphTests {
    // Positions are pre-order: node, left, right, condition, extras.
    @Test func preOrder() throws {
        let inner =
            #"{"node_type":"IF","condition_node":\#(sql("c")),"right_node":\#(sql("e")),"left_node":\#(sql("t"))}"#
        let source = """
            {"extra_nodes":[\(sql("x")),{"node_type":"LOOP","left_node":\(sql("l"))},\(sql("y"))],
            "right_node":\(sql("r")),"node_type":"JOIN","left_node":\(inner),"result_name":"j"}
            """
        let graph = try Envelope.graph(bytes(source))
        let expected = Graph(nodes: [
            Node(
                kind: .join,
                left: index(1),
                right: index(5),
                extras: [index(6), index(7), index(9)],
                resultName: bytes("j")
            ),
            Node(kind: .if, left: index(2), right: index(3), condition: index(4)),
            Node(kind: .sql, query: bytes("t")),
            Node(kind: .sql, query: bytes("e")),
            Node(kind: .sql, query: bytes("c")),
            Node(kind: .sql, query: bytes("r")),
            Node(kind: .sql, query: bytes("x")),
            Node(kind: .loop, left: index(8)),
            Node(kind: .sql, query: bytes("l")),
            Node(kind: .sql, query: bytes("y")),
        ])
        #expect(graph == expected)
        let printed = """
            {"node_type":"JOIN","left_node":{"node_type":"IF","left_node":\(sql("t")),"right_node":\(sql("e")),\
            "condition_node":\(sql("c"))},"right_node":\(sql("r")),"extra_nodes":[\(sql("x")),\
            {"node_type":"LOOP","left_node":\(sql("l"))},\(sql("y"))],"result_name":"j"}
            """
        #expect(text(Envelope.print(graph)) == printed)
        #expect(throws: Never.self) { try Envelope.checkStructure(graph) }
    }

    // Each rule for whole trees, with the path of the node at fault.
    @Test(arguments: [
        (
            #"{"node_type":"THEN","left_node":{}}"#,
            "root.left: failed to deserialize Durofut child: missing field `node_type` at line 1 column 2"
        ),
        (
            #"{"node_type":"THEN","right_node":{"node_type":"SQL","query":1}}"#,
            "root.right: failed to deserialize Durofut child: invalid type: integer `1`, expected a string at line 1"
        ),
        (
            #"{"node_type":"LOOP","left_node":{"node_type":"X"}}"#,
            "root.left: Unknown node_type 'X'. Valid types: SQL, "
        ),
        (
            #"{"node_type":"THEN","left_node":{"node_type":"X"},"right_node":{}}"#,
            "root.right: failed to deserialize Durofut child: missing field"
        ),
        (
            #"{"node_type":"THEN","condition_node":{"node_type":"SQL"}}"#,
            "root: condition_node is not valid for THEN nodes"
        ),
        (
            #"{"node_type":"RACE","extra_nodes":[{"node_type":"SQL"}]}"#,
            "root: extra_nodes is not valid for RACE nodes"
        ),
        (
            #"{"node_type":"LOOP","query":"{\"condition_node\":1}"}"#,
            "root: condition_node must be a first-class Durofut field, not embedded in query"
        ),
        (
            #"{"node_type":"IF","query":"{\"a\":1,\"condition_node\":null}"}"#,
            "root: condition_node must be a first-class Durofut field, not embedded in query"
        ),
        (
            #"{"node_type":"JOIN","query":"{\"extra_nodes\":[]}"}"#,
            "root: extra_nodes must be a first-class Durofut field, not embedded in query"
        ),
        (
            #"{"node_type":"IF","query":"x","condition_node":{"node_type":"SQL"}}"#,
            "root: IF query must be valid JSON config: expected value at line 1 column 1"
        ),
        (
            #"{"node_type":"JOIN","query":"[]","extra_nodes":[{"node_type":"SQL"}]}"#,
            "root: JOIN query must be a JSON config object"
        ),
        (
            #"{"node_type":"THEN","left_node":{"node_type":"IF","#
                + #""condition_node":{"node_type":"SQL","condition_node":{}}}}"#,
            "root.left.condition_node: condition_node is not valid for SQL nodes"
        ),
        (
            #"{"node_type":"JOIN","extra_nodes":[{"node_type":"SQL"},{"node_type":"SQL"},{"query":"x"}]}"#,
            "root.extra_nodes[2]: failed to deserialize Durofut child: missing field `node_type` at line 1"
        ),
        (
            #"{"node_type":"BREAK","query":"{\"break_value\":\"\\u0000\"}"}"#,
            "root: unsupported Unicode escape sequence"
        ),
    ])
    func rules(input: String, message: String) {
        let error = #expect(throws: EnvelopeError.self) { try Envelope.graph(bytes(input)) }
        #expect(
            text(error?.message)?.hasPrefix("Invalid durable function graph: " + message) == true,
            "\(text(error?.message) ?? "")"
        )
    }

    // These pass the parser; only the structure rules may object. LEAF stands for a SQL node.
    @Test(
        arguments: [
            (
                #"{"node_type":"THEN","left_node":LEAF}"#,
                "nodes_structure_chk"
            ),
            (#"{"node_type":"SQL"}"#, "nodes_structure_chk"),
            (
                #"{"node_type":"SQL","query":"a","left_node":LEAF}"#,
                "nodes_structure_chk"
            ),
            (
                #"{"node_type":"IF","left_node":LEAF,"right_node":LEAF}"#,
                "nodes_structure_chk"
            ),
            (
                #"{"node_type":"RACE","query":"q","left_node":LEAF,"right_node":LEAF}"#,
                "nodes_structure_chk"
            ),
            (
                #"{"node_type":"LOOP","left_node":LEAF,"right_node":LEAF}"#,
                "nodes_structure_chk"
            ),
            (#"{"node_type":"SQL","query":"a","result_name":"a b"}"#, "nodes_result_name_chk"),
            (#"{"node_type":"SQL","result_name":""}"#, "nodes_result_name_chk"),
            (
                #"{"node_type":"JOIN","query":"not json","left_node":LEAF,"right_node":LEAF}"#,
                nil
            ),
            (#"{"node_type":"LOOP","query":"[","left_node":{"node_type":"SQL","query":""}}"#, nil),
        ] as [(String, String?)]
    )
    func structure(input: String, constraint: String?) throws {
        let graph = try Envelope.graph(bytes(input.replacing("LEAF", with: sql("a"))))
        guard let constraint else {
            #expect(throws: Never.self) { try Envelope.checkStructure(graph) }
            return
        }
        let error = #expect(throws: EnvelopeError.self) { try Envelope.checkStructure(graph) }
        #expect(
            text(error?.message)
                == "new row for relation \"nodes\" violates check constraint \"\(constraint)\""
        )
        #expect(text(error?.sqlstate) == "23514")
    }

    // Depth 256 and 10,000 nodes pass, one more of either does not; extreme depth neither traps nor recurses.
    @Test func limits() throws {
        func chain(_ levels: Int) -> Bytes {
            bytes(
                String(repeating: #"{"node_type":"LOOP","left_node":"#, count: levels) + sql("a")
                    + String(repeating: "}", count: levels)
            )
        }
        #expect(try Envelope.graph(chain(256)).nodes.count == 257)
        for levels in [257, 300_000] {
            let error = #expect(throws: EnvelopeError.self) { try Envelope.graph(chain(levels)) }
            let path = "root" + String(repeating: ".left", count: 257)
            #expect(
                text(error?.message) == """
                    Invalid durable function graph: \(path): Graph exceeds maximum nesting depth of 256. \
                    Simplify the workflow or break it into multiple instances.
                    """
            )
            #expect(text(error?.sqlstate) == "54001")
            #expect(throws: Never.self) { try Compose.seq(chain(levels), bytes("b")) }
        }
        func wide(_ nodes: Int) -> Bytes {
            let extras = Array(repeating: sql("a"), count: nodes - 3).joined(separator: ",")
            return bytes(
                #"{"node_type":"JOIN","left_node":LEAF,"right_node":LEAF,"extra_nodes":[\#(extras)]}"#
                    .replacing("LEAF", with: sql("a"))
            )
        }
        let full = try Envelope.graph(wide(10_000))
        #expect(full.nodes.count == 10_000)
        #expect(try Envelope.graph(Envelope.print(full)) == full)
        let error = #expect(throws: EnvelopeError.self) { try Envelope.graph(wide(10_001)) }
        let message = """
            Invalid durable function graph: root.extra_nodes[9997]: \
            Workflow exceeds maximum node count of 10000. Simplify
            """
        #expect(text(error?.message)?.hasPrefix(message) == true)
        #expect(text(error?.sqlstate) == "54000")
    }

    // Printing and parsing are each other's inverse, for random graphs with random texts.
    @Test func roundTrip() throws {
        for seed in UInt64(1)...300 {
            var random = SplitMix(state: seed)
            let graph = randomGraph(&random)
            let printed = Envelope.print(graph)
            #expect(try Envelope.graph(printed) == graph, "seed \(seed)")
            #expect(try JSONDocument(printed).compacted() == printed, "seed \(seed)")
        }
    }

    // Graphs that are no trees print something finite.
    @Test func notATree() {
        let cycle = Graph(nodes: [
            Node(kind: .then, left: .root, right: index(9), extras: [.root, index(-1)])
        ])
        #expect(text(Envelope.print(cycle)) == #"{"node_type":"THEN"}"#)
        #expect(Envelope.print(Graph(nodes: [])).isEmpty)
        let shared = Graph(nodes: [
            Node(kind: .then, left: index(1), right: index(1)), Node(kind: .sql),
        ])
        #expect(
            text(Envelope.print(shared)) == #"{"node_type":"THEN","left_node":{"node_type":"SQL"}}"#
        )
    }

    private func randomGraph(_ random: inout SplitMix) -> Graph {
        var graph = Graph(nodes: [])
        var budget = Int.random(in: 1...60, using: &random)
        func randomText() -> Bytes {
            let characters: [Character] = [
                "a", "\"", "\\", "\n", "é", "😀", "\u{1}", "{", "$", "\u{7F}", "/",
            ]
            return bytes(
                String(
                    (0..<Int.random(in: 0...6, using: &random)).compactMap { _ in
                        characters.randomElement(using: &random)
                    }
                )
            )
        }
        func grow() -> NodeIndex {
            let at = index(Int32(graph.nodes.count))
            budget -= 1
            let kind = budget > 0 ? NodeKind.allCases.randomElement(using: &random) ?? .sql : .sql
            graph.nodes.append(
                Node(kind: kind, resultName: Bool.random(using: &random) ? randomText() : nil)
            )
            let place = Int(at.rawValue)
            switch kind {
            case .then, .race, .join, .if:
                graph.nodes[place].left = grow()
                graph.nodes[place].right = grow()
            case .loop: graph.nodes[place].left = grow()
            default: graph.nodes[place].query = randomText()
            }
            if kind == .if || kind == .loop && Bool.random(using: &random) {
                graph.nodes[place].condition = grow()
            }
            if kind == .join {
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    graph.nodes[place].extras.append(grow())
                }
            }
            return at
        }
        _ = grow()
        return graph
    }
}
