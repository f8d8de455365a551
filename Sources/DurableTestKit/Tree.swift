// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// A graph as tests write it down.
public indirect enum Tree: Sendable {
    case sql(String)
    case then(Tree, Tree)
    case `if`(Tree, Tree, else: Tree)
    case ifRows(String, Tree, else: Tree)
    case join([Tree])
    case race(Tree, Tree)
    case loop(Tree, while: Tree?)
    /// The value as text; nil is no value.
    case `break`(String?)
    case sleep(String)
    case schedule(String)
    case signal(String, timeout: Int64?)
    case http(String)
    case multipart(String)
    case named(Tree, String)
    /// A node as it is; for what the other cases cannot say.
    case raw(Node)

    /// A sequence of steps, nested to the left as `~>` nests it.
    public static func chain(_ first: Tree, _ rest: Tree...) -> Tree {
        rest.reduce(first) { .then($0, $1) }
    }
}

extension Graph {
    /// The tree in pre-order.
    public init(_ tree: Tree) {
        self.init(nodes: [])
        append(tree, name: nil)
    }

    @discardableResult
    private mutating func append(_ tree: Tree, name: String?) -> NodeIndex {
        if case .named(let inner, let name) = tree { return append(inner, name: name) }
        let index = NodeIndex(rawValue: Int32(nodes.count))
        nodes.append(Node(kind: .sql))
        var node = Node(kind: .sql, resultName: name.map { Bytes($0.utf8) })
        switch tree {
        case .sql(let text):
            node.query = Bytes(text.utf8)
        case .then(let left, let right):
            node.kind = .then
            (node.left, node.right) = (append(left, name: nil), append(right, name: nil))
        case .if(let condition, let left, let right):
            node.kind = .if
            (node.left, node.right) = (append(left, name: nil), append(right, name: nil))
            node.condition = append(condition, name: nil)
        case .ifRows(let result, let left, let right):
            node.kind = .if
            node.query = Bytes(
                #"{"condition_type":"result_has_rows","result_name":"\#(result)"}"#.utf8
            )
            (node.left, node.right) = (append(left, name: nil), append(right, name: nil))
        case .join(let arms):
            node.kind = .join
            let arms = arms.map { append($0, name: nil) }
            (node.left, node.right, node.extras) = (
                arms.first, arms.dropFirst().first, Array(arms.dropFirst(2))
            )
        case .race(let left, let right):
            node.kind = .race
            (node.left, node.right) = (append(left, name: nil), append(right, name: nil))
        case .loop(let body, let condition):
            node.kind = .loop
            node.left = append(body, name: nil)
            node.condition = condition.map { append($0, name: nil) }
        case .break(let value):
            node.kind = .break
            let text = value.map { "\"\($0)\"" } ?? "null"
            node.query = Bytes(#"{"break_value":\#(text)}"#.utf8)
        case .sleep(let digits):
            node.kind = .sleep
            node.query = Bytes(digits.utf8)
        case .schedule(let expression):
            node.kind = .waitSchedule
            node.query = Bytes(#"{"cron_expr":"\#(expression)"}"#.utf8)
        case .signal(let signal, let timeout):
            node.kind = .signal
            let timeout = timeout.map(String.init) ?? "null"
            node.query = Bytes(#"{"signal_name":"\#(signal)","timeout_seconds":\#(timeout)}"#.utf8)
        case .http(let query):
            node.kind = .http
            node.query = Bytes(query.utf8)
        case .multipart(let query):
            node.kind = .httpMultipart
            node.query = Bytes(query.utf8)
        case .raw(let raw):
            node = raw
        case .named:
            break
        }
        nodes[Int(index.rawValue)] = node
        return index
    }

    /// `count` SQL steps one after the other, in a balanced tree: the longest chain a graph can hold.
    public static func chain(of count: Int, text: (Int) -> String) -> Graph {
        var graph = Graph(nodes: [])
        graph.appendChain(0..<count, text)
        return graph
    }

    @discardableResult
    private mutating func appendChain(_ range: Range<Int>, _ text: (Int) -> String) -> NodeIndex {
        let index = NodeIndex(rawValue: Int32(nodes.count))
        guard range.count > 1 else {
            nodes.append(Node(kind: .sql, query: Bytes(text(range.lowerBound).utf8)))
            return index
        }
        nodes.append(Node(kind: .then))
        let middle = range.lowerBound + range.count / 2
        nodes[Int(index.rawValue)].left = appendChain(range.lowerBound..<middle, text)
        nodes[Int(index.rawValue)].right = appendChain(middle..<range.upperBound, text)
        return index
    }
}

extension InstanceRecord {
    /// An instance for tests: number 1, id `0000abcd`, started at the year 2000 plus `at` microseconds.
    public static func test(
        _ graph: Graph,
        id: Int64 = 1,
        label: String? = nil,
        variables: [String: String] = [:],
        at: Int64 = 0
    ) -> InstanceRecord {
        var bytes: [Bytes: Bytes] = [:]
        for (name, value) in variables { bytes[Bytes(name.utf8)] = Bytes(value.utf8) }
        return InstanceRecord(
            id: InstanceID(rawValue: id),
            publicID: Bytes("0000abcd".utf8),
            label: label.map { Bytes($0.utf8) },
            graph: graph,
            variables: bytes,
            createdAt: Timestamp(rawValue: at)
        )
    }
}
