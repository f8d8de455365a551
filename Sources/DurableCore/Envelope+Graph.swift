// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension Envelope {
    /// Reads and validates the whole tree of an envelope.
    ///
    /// Nodes get their pre-order positions: a node, then its left, right, condition and extra subtrees.
    /// Throws "Invalid durable function graph: <path>: …" for a malformed or unknown node, for more than
    /// `Graph.depthMax` levels below the root or `Graph.nodesMax` nodes, and for children or configuration
    /// that the kind of node does not have. Which children must be present is `checkStructure`'s matter.
    public static func graph(_ text: Bytes) throws(EnvelopeError) -> Graph {
        if let offset = UTF8Bytes.malformedOffset(text) { throw .malformedText(text, at: offset) }
        let prefix: ByteText = "Invalid durable function graph: root: "
        func malformed(_ why: Bytes) -> EnvelopeError {
            EnvelopeError(
                .invalidParameterValue,
                "\(prefix.bytes)failed to deserialize Durofut: \(why)"
            )
        }
        let root: JSONValue
        do throws(JSONError) {
            root = try parse(text).root
        } catch {
            guard error.isLimit else { throw malformed(Bytes(error.description.utf8)) }
            throw EnvelopeError(.programLimitExceeded, "\(prefix.bytes)\(error.description)")
        }
        if root.document.containsNUL { throw .nulEscape(prefix: prefix) }
        let fields: EnvelopeFields
        do throws(EnvelopeFields.Malformed) {
            fields = try EnvelopeFields(root)
        } catch {
            throw malformed(error.description(from: 0))
        }
        return try GraphBuilder.build(root: fields)
    }
}

/// Walks the objects of one document with a stack of its own and makes nodes of them.
struct GraphBuilder {
    enum Edge {
        case root, left, right, condition
        case extra(Int)
    }

    /// A node that has been read and whose children have not.
    struct Pending {
        var fields: EnvelopeFields
        /// Its position among `places`.
        var place: Int
        var parent: Int?
        var depth: Int
    }

    private var nodes: [Node] = []
    /// How to get to each node found so far: the place of its parent and the edge from there.
    private var places: [(parent: Int, edge: Edge)] = [(0, .root)]

    static func build(root: EnvelopeFields) throws(EnvelopeError) -> Graph {
        var builder = GraphBuilder()
        var stack = [Pending(fields: root, place: 0, parent: nil, depth: 0)]
        while let item = stack.popLast() {
            try builder.visit(item)
            try stack.append(contentsOf: builder.children(of: item).reversed())
        }
        return Graph(nodes: builder.nodes)
    }

    private mutating func visit(_ item: Pending) throws(EnvelopeError) {
        guard let kind = NodeKind(envelopeName: item.fields.typeName) else {
            throw .unknownNodeType(item.fields.typeName, prefix: prefix(item.place))
        }
        try checkConfig(item, kind)
        let index = NodeIndex(rawValue: Int32(truncatingIfNeeded: nodes.count))
        nodes.append(Node(kind: kind, query: item.fields.query, resultName: item.fields.resultName))
        guard let parent = item.parent else { return }
        switch places[item.place].edge {
        case .root: break
        case .left: nodes[parent].left = index
        case .right: nodes[parent].right = index
        case .condition: nodes[parent].condition = index
        case .extra: nodes[parent].extras.append(index)
        }
    }

    // All children are read before the first of them is visited, as in the original: it decides which of
    // several errors is the one reported.
    private mutating func children(of item: Pending) throws(EnvelopeError) -> [Pending] {
        var found: [Pending] = []
        let parent = nodes.count - 1
        let fields = item.fields
        if let left = fields.left { found.append(try child(left, .left, of: item, parent)) }
        if let right = fields.right { found.append(try child(right, .right, of: item, parent)) }
        if let condition = fields.condition {
            found.append(try child(condition, .condition, of: item, parent))
        }
        if let extras = fields.extras {
            var position = 0
            for extra in extras.elements {
                found.append(try child(extra, .extra(position), of: item, parent))
                position += 1
            }
        }
        return found
    }

    private mutating func child(
        _ value: JSONValue,
        _ edge: Edge,
        of item: Pending,
        _ parent: Int
    ) throws(EnvelopeError) -> Pending {
        let place = places.count
        places.append((item.place, edge))
        guard item.depth < Graph.depthMax else {
            throw EnvelopeError(
                .statementTooComplex,
                """
                \(prefix(place).bytes)Graph exceeds maximum nesting depth of \(Graph.depthMax). \
                Simplify the workflow or break it into multiple instances.
                """
            )
        }
        guard places.count <= Graph.nodesMax else {
            throw EnvelopeError(
                .programLimitExceeded,
                """
                \(prefix(place).bytes)Workflow exceeds maximum node count of \(Graph.nodesMax). \
                Simplify the workflow or break it into multiple instances.
                """
            )
        }
        do throws(EnvelopeFields.Malformed) {
            let fields = try EnvelopeFields(value)
            return Pending(fields: fields, place: place, parent: parent, depth: item.depth + 1)
        } catch {
            let why = error.description(from: value.span.lowerBound)
            throw EnvelopeError(
                .invalidParameterValue,
                "\(prefix(place).bytes)failed to deserialize Durofut child: \(why)"
            )
        }
    }

    private func checkConfig(_ item: Pending, _ kind: NodeKind) throws(EnvelopeError) {
        let takesCondition = kind == .if || kind == .loop
        if item.fields.condition != nil && !takesCondition {
            throw refusal(item, "condition_node is not valid for \(kind.rawValue) nodes")
        }
        if item.fields.extras != nil && kind != .join {
            throw refusal(item, "extra_nodes is not valid for \(kind.rawValue) nodes")
        }
        guard kind != .sql && kind != .sleep, let query = item.fields.query else { return }
        let mustMerge = item.fields.condition != nil || item.fields.extras != nil
        let config: JSONDocument
        do throws(JSONError) {
            config = try JSONDocument(query)
        } catch {
            guard mustMerge else { return }
            throw refusal(
                item,
                "\(kind.rawValue) query must be valid JSON config: \(error.description)"
            )
        }
        if config.containsNUL { throw .nulEscape(prefix: prefix(item.place)) }
        let key = takesCondition ? "condition_node" : "extra_nodes"
        if takesCondition || kind == .join, config.root[Bytes(key.utf8)] != nil {
            throw refusal(item, "\(key) must be a first-class Durofut field, not embedded in query")
        }
        if mustMerge && config.root.kind != .object {
            throw refusal(item, "\(kind.rawValue) query must be a JSON config object")
        }
    }

    private func refusal(_ item: Pending, _ message: ByteText) -> EnvelopeError {
        EnvelopeError(.invalidParameterValue, "\(prefix(item.place).bytes)\(message.bytes)")
    }

    private func prefix(_ place: Int) -> ByteText {
        var edges: [Edge] = []
        var place = place
        while place > 0, place < places.count {
            edges.append(places[place].edge)
            place = places[place].parent
        }
        var path: ByteText = "Invalid durable function graph: root"
        for edge in edges.reversed() {
            switch edge {
            case .root: break
            case .left: path = "\(path.bytes).left"
            case .right: path = "\(path.bytes).right"
            case .condition: path = "\(path.bytes).condition_node"
            case .extra(let position): path = "\(path.bytes).extra_nodes[\(position)]"
            }
        }
        return "\(path.bytes): "
    }
}
