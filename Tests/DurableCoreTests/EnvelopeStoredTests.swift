// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import Testing

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func text(_ bytes: Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct EnvelopeStoredTests {
    // Rows as df.nodes shows them: ids of conditions and extra branches join the configuration.
    // LEAF stands for a SQL node.
    @Test func rows() throws {
        let leaf = #"{"node_type":"SQL","query":" a "}"#
        let table: [(String, String?)] = [
            (leaf, " a "),
            (#"{"node_type":"LOOP","left_node":LEAF}"#, nil),
            (#"{"node_type":"LOOP","left_node":LEAF,"query":" not json"}"#, " not json"),
            (
                #"{"node_type":"LOOP","left_node":LEAF,"condition_node":LEAF}"#,
                #"{"condition_node":"id2"}"#
            ),
            (
                #"{"node_type":"IF","left_node":LEAF,"right_node":LEAF,"condition_node":LEAF,"#
                    + #""query":"{ \"z\": 1.5, \"a\": [ ]}"}"#,
                #"{"z":1.5,"a":[],"condition_node":"id3"}"#
            ),
            (
                #"{"node_type":"JOIN","left_node":LEAF,"right_node":LEAF,"extra_nodes":[LEAF,LEAF],"result_name":"j"}"#,
                #"{"extra_nodes":["id3","id4"]}"#
            ),
        ]
        for (source, query) in table {
            let graph = try Envelope.graph(bytes(source.replacing("LEAF", with: leaf)))
            let row = StoredNode(.root, of: graph) { bytes("id\($0.rawValue)") }
            #expect(text(row?.query) == query)
            #expect(text(row?.id) == "id0")
            #expect(text(row?.left) == graph.nodes[0].left.map { "id\($0.rawValue)" })
            #expect(text(row?.right) == graph.nodes[0].right.map { "id\($0.rawValue)" })
            #expect(
                row?.kind == graph.nodes[0].kind && row?.resultName == graph.nodes[0].resultName
            )
        }
        #expect(StoredNode(NodeIndex(rawValue: 1), of: Graph(nodes: [])) { _ in [] } == nil)
    }

    // Ids are eight hex digits, unique in an instance, the same every time, and lead back to the node.
    @Test func ids() {
        for number in [0, 1, -1, Int64.max, Int64.min, 123_456_789_012] as [Int64] {
            let instance = InstanceID(rawValue: number)
            var seen: Set<Bytes> = []
            for node in Int32(0)..<10_000 {
                let id = NodeID.hex(instance: instance, node: NodeIndex(rawValue: node))
                seen.insert(id)
                #expect(NodeID.node(instance: instance, hex: id)?.rawValue == node)
            }
            #expect(seen.count == 10_000)
            #expect(
                seen.allSatisfy {
                    $0.count == 8 && $0.allSatisfy { bytes("0123456789abcdef").contains($0) }
                }
            )
        }
        let one = NodeID.hex(instance: InstanceID(rawValue: 1), node: .root)
        #expect(one == NodeID.hex(instance: InstanceID(rawValue: 1), node: .root))
        #expect(one != NodeID.hex(instance: InstanceID(rawValue: 2), node: .root))
        for bad in ["", "1234567", "123456789", "1234567g", "ABCDEF01", "+1234567"] {
            #expect(NodeID.node(instance: InstanceID(rawValue: 1), hex: bytes(bad)) == nil)
        }
    }
}
