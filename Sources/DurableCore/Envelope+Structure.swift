// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension Envelope {
    /// Checks what `df.nodes` demands of its rows: which children and queries a kind of node has, and names.
    ///
    /// Throws the report of the first violated check constraint, in pre-order, as an INSERT would raise it.
    public static func checkStructure(_ graph: Graph) throws(EnvelopeError) {
        for node in graph.nodes {
            if let name = node.resultName, !isIdentifier(name) {
                throw violation("nodes_result_name_chk")
            }
            if !hasItsParts(node) { throw violation("nodes_structure_chk") }
        }
    }

    /// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`.
    static func isIdentifier(_ name: Bytes) -> Bool {
        guard let first = name.first, isLetter(first) else { return false }
        return name.allSatisfy {
            isLetter($0) || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_")
            || byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }

    private static func hasItsParts(_ node: Node) -> Bool {
        let hasLeft = node.left != nil
        let hasRight = node.right != nil
        let hasQuery = node.query != nil
        return switch node.kind {
        case .sql, .sleep, .waitSchedule, .break, .http, .httpMultipart, .signal:
            !hasLeft && !hasRight && hasQuery
        case .then, .race:
            hasLeft && hasRight && !hasQuery
        case .if:
            // A condition becomes part of the stored query.
            hasLeft && hasRight && (hasQuery || node.condition != nil)
        case .loop:
            hasLeft && !hasRight
        case .join:
            hasLeft && hasRight
        }
    }

    private static func violation(_ constraint: String) -> EnvelopeError {
        EnvelopeError(
            .checkViolation,
            "new row for relation \"nodes\" violates check constraint \"\(constraint)\""
        )
    }
}
