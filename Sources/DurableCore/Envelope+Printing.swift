// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension EnvelopeNode {
    /// The node as compact JSON, members in their fixed order, children as they are.
    public func print() -> Bytes {
        var writer = JSONObjectWriter()
        writer.member("node_type", string: Bytes(kind.rawValue.utf8))
        if let left { writer.member("left_node", raw: left) }
        if let right { writer.member("right_node", raw: right) }
        if let condition { writer.member("condition_node", raw: condition) }
        if !extras.isEmpty {
            let list = extras.joined(separator: [UInt8(ascii: ",")])
            writer.member("extra_nodes", raw: [UInt8(ascii: "[")] + list + [UInt8(ascii: "]")])
        }
        if let query { writer.member("query", string: query) }
        if let resultName { writer.member("result_name", string: resultName) }
        return writer.finish()
    }
}

extension Envelope {
    private enum Piece {
        case node(NodeIndex)
        case tail(NodeIndex)
        case text(StaticString)
    }

    /// The graph as one compact envelope; `graph` makes an equal graph of it.
    ///
    /// Indices that lead nowhere, or to a node that was printed before, are left out.
    public static func print(_ graph: Graph) -> Bytes {
        var out = Bytes()
        var isPrinted = [Bool](repeating: false, count: graph.nodes.count)
        var stack: [Piece] = [.node(.root)]
        while let piece = stack.popLast() {
            switch piece {
            case .text(let text):
                text.withUTF8Buffer { out.append(contentsOf: $0) }
            case .tail(let index):
                if let node = graph.node(index) { appendTail(of: node, to: &out) }
            case .node(let index):
                guard let node = graph.node(index) else { continue }
                isPrinted[Int(index.rawValue)] = true
                out.append(contentsOf: "{\"node_type\":\"".utf8)
                out.append(contentsOf: node.kind.rawValue.utf8)
                out.append(UInt8(ascii: "\""))
                func fresh(_ child: NodeIndex?) -> NodeIndex? {
                    guard let child, graph.node(child) != nil, !isPrinted[Int(child.rawValue)]
                    else {
                        return nil
                    }
                    isPrinted[Int(child.rawValue)] = true
                    return child
                }
                var pieces: [Piece] = []
                if let left = fresh(node.left) {
                    pieces += [.text(",\"left_node\":"), .node(left)]
                }
                if let right = fresh(node.right) {
                    pieces += [.text(",\"right_node\":"), .node(right)]
                }
                if let condition = fresh(node.condition) {
                    pieces += [.text(",\"condition_node\":"), .node(condition)]
                }
                let extras = node.extras.compactMap(fresh)
                for i in extras.indices {
                    pieces += [.text(i == 0 ? ",\"extra_nodes\":[" : ","), .node(extras[i])]
                }
                if !extras.isEmpty { pieces.append(.text("]")) }
                pieces.append(.tail(index))
                stack.append(contentsOf: pieces.reversed())
            }
        }
        return out
    }

    private static func appendTail(of node: Node, to out: inout Bytes) {
        if let query = node.query {
            out.append(contentsOf: ",\"query\":".utf8)
            JSONText.appendQuoted(query, to: &out)
        }
        if let name = node.resultName {
            out.append(contentsOf: ",\"result_name\":".utf8)
            JSONText.appendQuoted(name, to: &out)
        }
        out.append(UInt8(ascii: "}"))
    }
}
