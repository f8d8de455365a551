// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The text form of graphs: one JSON object per node, its children embedded.
///
/// Members, in the order they are written: `node_type`, `left_node`, `right_node`, `condition_node`,
/// `extra_nodes`, `query`, `result_name`. Order and blanks do not matter on input, unknown members are ignored.
public enum Envelope {
    /// Who asks what a text is; decides the wording of errors.
    public enum Context: Hashable, Sendable {
        /// A function or operator that takes a node as an operand.
        case composer
        /// `df.start`.
        case start
    }

    /// Most JSON values and keys of one envelope; about what 10,000 nodes with much unknown beside them have.
    static let valuesMax = 4_000_000

    // Depth is limited for nodes, not for JSON: the parser does not recurse.
    static func parse(_ text: Bytes) throws(JSONError) -> JSONDocument {
        try JSONDocument(text, depthMax: .max, valuesMax: valuesMax)
    }

    /// The spellings of `node_type` in the order error messages list them.
    static let nodeTypes = [
        "SQL", "THEN", "IF", "JOIN", "LOOP", "BREAK", "RACE", "SLEEP", "WAIT_SCHEDULE", "HTTP",
        "HTTP_MULTIPART", "SIGNAL",
    ]

    /// What an operand is.
    public enum Classified: Hashable, Sendable {
        case node(EnvelopeNode)
        /// The text of a SQL step.
        case sql(Bytes)

        /// The operand as a node: SQL text is wrapped.
        public var node: EnvelopeNode {
            switch self {
            case .node(let node): node
            case .sql(let query): EnvelopeNode(kind: .sql, query: query)
            }
        }
    }

    /// Tells an envelope from SQL text, by its outermost object only: children are not looked into.
    ///
    /// Throws for an object that names a node type but is no well-formed envelope, for an unknown node type,
    /// for a character U+0000, and for text that is not UTF-8.
    public static func classify(
        _ text: Bytes,
        context: Context = .composer
    ) throws(EnvelopeError) -> Classified {
        guard let found = try recognize(text, context: context) else { return .sql(text) }
        return .node(EnvelopeNode(kind: found.kind, fields: found.fields))
    }

    /// What `df.start` runs for `text`: the graph of an envelope, or one SQL node.
    ///
    /// Errors as those of `classify` and `graph`. The result has not passed `checkStructure`.
    public static func start(_ text: Bytes) throws(EnvelopeError) -> Graph {
        try root(text).graph()
    }

    /// The same up to the root: what may be wrong below it shows in `StartRoot.graph`.
    public static func root(_ text: Bytes) throws(EnvelopeError) -> StartRoot {
        StartRoot(text: text, fields: try recognize(text, context: .start)?.fields)
    }

    /// A text that `df.start` takes, its tree not yet looked at.
    public struct StartRoot {
        fileprivate let text: Bytes
        fileprivate let fields: EnvelopeFields?

        /// Throws what is wrong with the tree.
        public func graph() throws(EnvelopeError) -> Graph {
            guard let fields else { return Graph(nodes: [Node(kind: .sql, query: text)]) }
            return try GraphBuilder.build(root: fields)
        }
    }

    /// Why `text` is no envelope object, or nil when it is one (of whatever node type).
    public static func malformation(_ text: Bytes) -> Bytes? {
        do {
            _ = try EnvelopeFields(try parse(text).root)
            return nil
        } catch let error as JSONError {
            return ByteText("failed to deserialize Durofut: \(error.description)").bytes
        } catch let error as EnvelopeFields.Malformed {
            return ByteText("failed to deserialize Durofut: \(error.description(from: 0))").bytes
        } catch {
            return Bytes("failed to deserialize Durofut".utf8)
        }
    }

    // Nil stands for SQL text.
    private static func recognize(
        _ text: Bytes,
        context: Context
    ) throws(EnvelopeError) -> (kind: NodeKind, fields: EnvelopeFields)? {
        if let offset = UTF8Bytes.malformedOffset(text) { throw .malformedText(text, at: offset) }
        let prefix: ByteText =
            context == .start ? "Invalid durable function: " : "Invalid Durofut JSON: "
        guard let root = try jsonContainer(text, prefix) else { return nil }
        if root.kind == .array {
            guard isArrayOfFields(root) else { return nil }
            throw EnvelopeError(
                .invalidParameterValue,
                "\(prefix.bytes)a workflow step must be a JSON object, not an array"
            )
        }
        guard let name = root[EnvelopeFields.nodeType]?.string else { return nil }
        let kind = NodeKind(envelopeName: name)
        if root.document.containsNUL { throw .nulEscape(prefix: prefix) }
        if kind == nil && context == .start { throw .unknownNodeType(name, prefix: prefix) }
        let fields: EnvelopeFields
        do throws(EnvelopeFields.Malformed) {
            fields = try EnvelopeFields(root)
        } catch {
            let why = error.description(from: 0)
            throw context == .start
                ? EnvelopeError(
                    .invalidParameterValue,
                    "\(prefix.bytes)Malformed Durofut JSON with node_type '\(name)': \(why)"
                )
                : EnvelopeError(
                    .invalidParameterValue,
                    "\(prefix.bytes)failed to deserialize workflow step: \(why)"
                )
        }
        guard let kind else { throw .unknownNodeType(name, prefix: prefix) }
        return (kind, fields)
    }

    // The original takes the seven values of a node in an array for a node, which nobody means.
    private static func isArrayOfFields(_ array: JSONValue) -> Bool {
        var elements = array.elements.makeIterator()
        guard array.count == 7, let name = elements.next()?.string else { return false }
        return NodeKind(envelopeName: name) != nil
    }

    // Only an object or array is worth parsing; everything else is SQL text.
    private static func jsonContainer(
        _ text: Bytes,
        _ prefix: ByteText
    ) throws(EnvelopeError) -> JSONValue? {
        let first = text.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return nil }
        do throws(JSONError) {
            return try parse(text).root
        } catch {
            guard error.isLimit else { return nil }
            throw EnvelopeError(.programLimitExceeded, "\(prefix.bytes)\(error.description)")
        }
    }
}

/// One node of an envelope, its children as the text they came in.
public struct EnvelopeNode: Hashable, Sendable {
    public var kind: NodeKind
    /// JSON text of an object, like the other children.
    public var left: Bytes?
    public var right: Bytes?
    public var condition: Bytes?
    public var extras: [Bytes]
    public var query: Bytes?
    public var resultName: Bytes?

    public init(
        kind: NodeKind,
        left: Bytes? = nil,
        right: Bytes? = nil,
        condition: Bytes? = nil,
        extras: [Bytes] = [],
        query: Bytes? = nil,
        resultName: Bytes? = nil
    ) {
        self.kind = kind
        self.left = left
        self.right = right
        self.condition = condition
        self.extras = extras
        self.query = query
        self.resultName = resultName
    }

    init(kind: NodeKind, fields: EnvelopeFields) {
        self.init(
            kind: kind,
            left: fields.left?.raw,
            right: fields.right?.raw,
            condition: fields.condition?.raw,
            extras: fields.extras?.elements.map(\.raw) ?? [],
            query: fields.query,
            resultName: fields.resultName
        )
    }
}

extension NodeKind {
    /// The kind an envelope calls `name`; letter case counts.
    init?(envelopeName name: Bytes) {
        guard name.count <= 16,
            let kind = NodeKind(rawValue: String(decoding: name, as: UTF8.self)),
            Bytes(kind.rawValue.utf8) == name
        else { return nil }
        self = kind
    }
}
