// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Which iteration of which loops a node ran in: the levels of orchestration from the root down,
/// each with its generation counted from 1.
///
/// Arms of JOIN and RACE and loops below the root are levels of their own.
public struct ExecutionStamp: Hashable, Sendable {
    public struct Level: Hashable, Sendable {
        /// The node at which the level begins; nil for the instance itself.
        public var node: NodeIndex?
        public var generation: Int64
    }

    public var levels: [Level]

    /// The stamp as SQL shows it, `<instance>::<generation>::<node>::<generation>…`.
    public func text(instanceID: Bytes, nodeID: (NodeIndex) -> Bytes) -> Bytes {
        var text = Bytes()
        for level in levels {
            if !text.isEmpty { text += Bytes("::".utf8) }
            text += level.node.map(nodeID) ?? instanceID
            text += Bytes("::\(level.generation)".utf8)
        }
        return text
    }
}

/// What the nodes of an instance went through, written down while a machine folds.
struct NodeTrace: Sendable {
    struct Row: Sendable {
        var status = NodeStatus.pending
        var result: Bytes?
        var failure: StepFailure?
        var stamp: ExecutionStamp?
        var updatedAt: Timestamp?
        /// What a SQL step could see when control reached it.
        var names: [Bytes: Bytes]?
    }

    /// The scope of a level: where it begins, in which generation of the scope around it.
    private struct Scope: Hashable {
        var around: Int
        var generation: Int64
        var node: NodeIndex?
    }

    private(set) var rows: [Row]
    /// Whether rows keep what their text names.
    let keepsNames: Bool
    /// When the root's present generation began.
    private(set) var began: Timestamp?
    private var rootGeneration: Int64 = 0
    /// Numbers of the scopes that were seen, and the highest generation of each.
    private var scopes: [Scope: Int] = [:]
    private var generations: [Int64] = []

    init(nodeCount: Int, keepsNames: Bool = false) {
        rows = Array(repeating: Row(), count: nodeCount)
        self.keepsNames = keepsNames
    }

    mutating func entered(
        _ node: NodeIndex,
        stamp: ExecutionStamp,
        names: [Bytes: Bytes]?,
        at: Timestamp
    ) {
        if let generation = stamp.levels.first?.generation, generation > rootGeneration {
            rootGeneration = generation
            began = at
        }
        var scope = Scope(around: -1, generation: 0, node: nil)
        for level in stamp.levels {
            scope.node = level.node
            let number = scopes[scope] ?? generations.count
            if number == generations.count {
                scopes[scope] = number
                generations.append(0)
            }
            generations[number] = max(generations[number], level.generation)
            scope = Scope(around: number, generation: level.generation, node: nil)
        }
        update(node, at) { row in
            row = Row()
            row.status = .running
            row.stamp = stamp
            row.names = names
        }
    }

    mutating func attempted(_ node: NodeIndex, at: Timestamp) {
        update(node, at) { _ in }
    }

    mutating func completed(_ node: NodeIndex, _ value: Bytes, at: Timestamp) {
        update(node, at) { row in
            row.status = .completed
            row.result = value
        }
    }

    mutating func failed(_ node: NodeIndex, _ text: Bytes, _ failure: StepFailure?, at: Timestamp) {
        update(node, at) { row in
            row.status = .failed
            row.result = JSONText.quote(text)
            row.failure = failure
        }
    }

    /// A failure has passed through a construct; its report is that of the node where it arose, which may be this one.
    mutating func passed(_ node: NodeIndex, _ text: Bytes, at: Timestamp) {
        let i = Int(node.rawValue)
        let own = rows.indices.contains(i) && rows[i].status == .failed ? rows[i].failure : nil
        failed(node, text, own, at: at)
    }

    /// An arm's failure reached its JOIN or RACE.
    ///
    /// A loop that is the arm's root shows the text with the prefix, too.
    mutating func failedArm(
        of node: NodeIndex,
        root: NodeIndex,
        _ text: Bytes,
        _ graph: Graph,
        at: Timestamp
    ) {
        failed(node, text, nil, at: at)
        if graph.node(root)?.kind == .loop { failed(root, text, nil, at: at) }
    }

    /// The arm of a RACE that begins at `root` is dropped.
    ///
    /// Only a loop's row says so; all else is inferred.
    mutating func lost(_ root: NodeIndex, _ graph: Graph, at: Timestamp) {
        guard graph.node(root)?.kind == .loop, status(of: root) == .running else { return }
        failed(root, Bytes("Loop branch cancelled after losing RACE".utf8), nil, at: at)
    }

    /// Nothing is known any more of the nodes below `node`.
    mutating func forget(below node: NodeIndex, _ graph: Graph) {
        // In pre-order a subtree ends where the next node is not a child of anything in it.
        var end = Int(node.rawValue)
        var i = end
        while i <= end, graph.nodes.indices.contains(i) {
            let found = graph.nodes[i]
            for child in [found.left, found.right, found.condition] + found.extras {
                end = max(end, Int(child?.rawValue ?? 0))
            }
            i += 1
        }
        guard rows.indices.contains(end), end > Int(node.rawValue) else { return }
        for i in (Int(node.rawValue) + 1)...end { rows[i] = Row() }
    }

    /// Whether a later iteration has begun of anything that the node's stamp lies in.
    func isSuperseded(_ stamp: ExecutionStamp) -> Bool {
        var scope = Scope(around: -1, generation: 0, node: nil)
        for level in stamp.levels {
            scope.node = level.node
            guard let number = scopes[scope] else { return false }
            if generations[number] > level.generation { return true }
            scope = Scope(around: number, generation: level.generation, node: nil)
        }
        return false
    }

    private func status(of node: NodeIndex) -> NodeStatus? {
        let i = Int(node.rawValue)
        return rows.indices.contains(i) ? rows[i].status : nil
    }

    private mutating func update(_ node: NodeIndex, _ at: Timestamp, _ change: (inout Row) -> Void) {
        let i = Int(node.rawValue)
        guard rows.indices.contains(i) else { return }
        change(&rows[i])
        rows[i].updatedAt = at
    }
}

extension Machine {
    /// Control has reached a node of `branch`, which may be out of the machine's table just now.
    mutating func traceEntered(_ node: NodeIndex, _ branch: Branch, _ id: BranchID, at: Timestamp) {
        let stamp = stamp(of: branch)
        let names = namesUsed(node, branch)
        trace?.entered(node, stamp: stamp, names: names, at: at)
    }

    /// Of the names that a branch can see, those that the text of a SQL step mentions.
    private func namesUsed(_ node: NodeIndex, _ branch: Branch) -> [Bytes: Bytes]? {
        guard trace?.keepsNames == true, let node = record.graph.node(node), node.kind == .sql else {
            return nil
        }
        let mentioned = Substitution.mentioned(in: node.query ?? [], scope: scope(of: branch))
        var names: [Bytes: Bytes] = [:]
        for name in mentioned { names[name] = branch.names[name] }
        return names
    }

    private func stamp(of branch: Branch) -> ExecutionStamp {
        var levels: [ExecutionStamp.Level] = []
        var next: Branch? = branch
        while let branch = next {
            var own = [
                ExecutionStamp.Level(node: branch.parent == nil ? nil : branch.entry, generation: 1)
            ]
            for (depth, frame) in branch.frames.enumerated() {
                guard case .loop(let node, let loop) = frame else { continue }
                if depth == 0 {
                    own[0].generation = loop.iteration
                } else {
                    own.append(ExecutionStamp.Level(node: node, generation: loop.iteration))
                }
            }
            levels.insert(contentsOf: own, at: 0)
            next = branch.parent.flatMap { branches[$0.branch] }
        }
        return ExecutionStamp(levels: levels)
    }
}
