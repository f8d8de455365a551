// SPDX-License-Identifier: PostgreSQL

/// What a node does.
///
/// The raw value is the envelope's `node_type`.
public enum NodeKind: String, Hashable, Sendable, CaseIterable {
    case sql = "SQL"
    case then = "THEN"
    case `if` = "IF"
    case join = "JOIN"
    case loop = "LOOP"
    case `break` = "BREAK"
    case race = "RACE"
    case sleep = "SLEEP"
    case waitSchedule = "WAIT_SCHEDULE"
    case http = "HTTP"
    case httpMultipart = "HTTP_MULTIPART"
    case signal = "SIGNAL"
}

/// One vertex of a graph.
public struct Node: Hashable, Sendable {
    public var kind: NodeKind
    public var left: NodeIndex?
    public var right: NodeIndex?
    public var condition: NodeIndex?
    /// Branches 3 and up of a JOIN.
    public var extras: [NodeIndex]
    /// The SQL text, or the node's configuration as JSON; as the envelope has it, before substitution.
    public var query: Bytes?
    public var resultName: Bytes?

    public init(
        kind: NodeKind,
        left: NodeIndex? = nil,
        right: NodeIndex? = nil,
        condition: NodeIndex? = nil,
        extras: [NodeIndex] = [],
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
}

/// The definition an instance runs: a tree of nodes in pre-order, the root first.
///
/// Indices inside a graph made by `Envelope` are valid; code that takes one from a row checks it with `node(_:)`.
public struct Graph: Hashable, Sendable {
    public var nodes: [Node]

    public init(nodes: [Node]) { self.nodes = nodes }

    /// The node at `index`, or nil when there is none.
    public func node(_ index: NodeIndex) -> Node? {
        let i = Int(index.rawValue)
        return i >= 0 && i < nodes.count ? nodes[i] : nil
    }

    /// Deepest accepted nesting; the root is level 0.
    public static let depthMax = 256
    /// Most nodes of one graph.
    public static let nodesMax = 10_000
}
