// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// A node as `df.nodes` shows it.
public struct StoredNode: Hashable, Sendable {
    public var id: Bytes
    public var kind: NodeKind
    public var left: Bytes?
    public var right: Bytes?
    /// The text of a leaf as it is; for a condition or extra branches a JSON object that names their ids.
    public var query: Bytes?
    public var resultName: Bytes?

    /// The row of the node at `index`; nil when the graph has no such node.
    ///
    /// `id` gives every node of the graph its id. Ids of a condition and of extra branches are appended to the
    /// node's own configuration, compact, its members first.
    public init?(_ index: NodeIndex, of graph: Graph, id: (NodeIndex) -> Bytes) {
        guard let node = graph.node(index) else { return nil }
        self.id = id(index)
        kind = node.kind
        left = node.left.map(id)
        right = node.right.map(id)
        resultName = node.resultName
        query = node.query
        if let condition = node.condition {
            query = Self.merged(node.query, key: "condition_node", JSONText.quote(id(condition)))
        }
        if !node.extras.isEmpty {
            let ids = node.extras.map { JSONText.quote(id($0)) }.joined(separator: [
                UInt8(ascii: ",")
            ])
            query = Self.merged(
                query,
                key: "extra_nodes",
                [UInt8(ascii: "[")] + ids + [UInt8(ascii: "]")]
            )
        }
    }

    private static func merged(_ config: Bytes?, key: String, _ value: Bytes) -> Bytes {
        var writer = JSONObjectWriter()
        if let config, let document = try? JSONDocument(config), document.root.kind == .object {
            for member in document.root.members {
                writer.member(key: member.key, raw: member.value.compacted())
            }
        }
        writer.member(key, raw: value)
        return writer.finish()
    }
}

/// Ids of nodes: eight lower-case hex digits, unique within an instance.
///
/// They are computed, not stored: a permutation of the 32-bit numbers, keyed by the instance.
public enum NodeID {
    private static let rounds: UInt64 = 6

    /// The id of a node.
    public static func hex(instance: InstanceID, node: NodeIndex) -> Bytes {
        let plain = UInt32(bitPattern: node.rawValue)
        var (a, b) = (UInt16(truncatingIfNeeded: plain >> 16), UInt16(truncatingIfNeeded: plain))
        for round in 0..<rounds {
            (a, b) = (b, a ^ mix(b, round, instance))
        }
        let value = UInt32(a) << 16 | UInt32(b)
        return (0..<8).map {
            JSONText.hexCharacter(UInt8(truncatingIfNeeded: value >> (28 - 4 * UInt32($0))))
        }
    }

    /// The node that has the id `hex` in that instance; nil when the text is no id.
    ///
    /// The index may be beyond the nodes of the instance's graph, or negative.
    public static func node(instance: InstanceID, hex: Bytes) -> NodeIndex? {
        guard hex.count == 8 else { return nil }
        var value: UInt32 = 0
        for byte in hex {
            guard let digit = JSONText.hexDigit(byte),
                byte < UInt8(ascii: "A") || byte > UInt8(ascii: "F")
            else { return nil }
            value = value << 4 | digit
        }
        var (a, b) = (UInt16(truncatingIfNeeded: value >> 16), UInt16(truncatingIfNeeded: value))
        for round in (0..<rounds).reversed() {
            (a, b) = (b ^ mix(a, round, instance), a)
        }
        return NodeIndex(rawValue: Int32(bitPattern: UInt32(a) << 16 | UInt32(b)))
    }

    // The round function of the Feistel network: any function will do, this one is splitmix64's.
    private static func mix(_ half: UInt16, _ round: UInt64, _ instance: InstanceID) -> UInt16 {
        var z = UInt64(bitPattern: instance.rawValue) &* 0x9E37_79B9_7F4A_7C15
        z = z ^ (UInt64(half) << 32 | round) &* 0xD6E8_FEB8_6659_FD93
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return UInt16(truncatingIfNeeded: z >> 24)
    }
}
