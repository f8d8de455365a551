// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The status words of nodes, as SQL shows them.
public enum NodeStatus: String, Hashable, Sendable {
    case pending, running, completed, failed
    /// Only inferred, never a node's own.
    case skipped
}

/// What monitoring shows of one node.
public struct NodeState: Hashable, Sendable {
    /// What the node itself went through.
    public var status: NodeStatus
    /// JSON text: the value, or the failure's text as a string.
    public var result: Bytes?
    /// The report of the step that failed; nil for the constructs around it.
    public var failure: StepFailure?
    public var stamp: ExecutionStamp?
    public var updatedAt: Timestamp?
    /// What the node amounts to, given what became of the nodes around it.
    public var inferredStatus: NodeStatus
    /// The ancestor from which that follows; nil when it is the node's own status.
    public var inferredFrom: NodeIndex?
}

/// What the nodes of an instance went through: a replay of its journal that takes notes.
///
/// The executors do not use it. Where compat.md has physical rows that workers stamp, here they are computed when
/// somebody asks.
public struct NodeStates: Sendable {
    /// One state per node of the graph, by index.
    public let states: [NodeState]
    /// How the instance ended as far as the journal tells; a cancel is not in it.
    public let outcome: Outcome?
    /// The root loop's iterations so far, at least 1.
    public let generation: Int64
    /// Of what each SQL step could see when control last reached it, the names that its text mentions.
    private let names: [[Bytes: Bytes]?]
    /// When the present one of these began.
    public let generationBegan: Timestamp

    /// Replays `journal`, ordered by (branch, sequence).
    ///
    /// `isPending` says that no executor has taken the instance up yet, and `hasEnded` that it is over: without any
    /// entry, and without an end that follows from the graph alone, no node has run then.
    /// With `keepsNames`, `executedText` can tell what ran.
    public init(
        record: InstanceRecord,
        journal: [JournalEntry],
        isPending: Bool = false,
        hasEnded: Bool = false,
        keepsNames: Bool = false
    ) throws(ReplayError) {
        var machine = Machine(
            record: record,
            trace: NodeTrace(nodeCount: record.graph.nodes.count, keepsNames: keepsNames)
        )
        try machine.fold(all: journal)
        let trace =
            journal.isEmpty && (isPending || (hasEnded && machine.outcome == nil))
            ? NodeTrace(nodeCount: record.graph.nodes.count)
            : machine.trace ?? NodeTrace(nodeCount: record.graph.nodes.count)
        names = trace.rows.map(\.names)
        states = NodeStates.infer(trace, record.graph)
        outcome = machine.outcome
        generation = machine.generation
        generationBegan = trace.began ?? record.createdAt
    }

    /// The state of one node, or nil when the graph has no such node.
    public subscript(node: NodeIndex) -> NodeState? {
        let i = Int(node.rawValue)
        return states.indices.contains(i) ? states[i] : nil
    }

    /// The text of a SQL step in its last attempt, with variables and names replaced; nil when nothing ran.
    ///
    /// At most `atMost` characters of it, and its whole size in bytes. A step whose text could not be completed has not
    /// run.
    public func executedText(
        of node: NodeIndex,
        record: InstanceRecord,
        atMost: Int,
        standardConformingStrings: Bool = true
    ) -> (text: Bytes, size: Int)? {
        guard let query = record.graph.node(node)?.query, names.indices.contains(Int(node.rawValue)),
            let names = names[Int(node.rawValue)]
        else { return nil }
        let scope = SubstitutionScope(
            variables: record.variables,
            names: names,
            instanceID: record.publicID,
            label: record.label,
            standardConformingStrings: standardConformingStrings
        )
        guard let text = try? Substitution.apply(query, mode: .sql, scope: scope).text else {
            return nil
        }
        return (UTF8Bytes.cut(text, above: atMost, keeping: max(atMost - 3, 0)), text.count)
    }

    /// Parents come before children in the graph, so that one pass from the front sees what is above first.
    private static func infer(_ trace: NodeTrace, _ graph: Graph) -> [NodeState] {
        var parents = Array<Int?>(repeating: nil, count: graph.nodes.count)
        for (i, node) in graph.nodes.enumerated() {
            for child in [node.left, node.right, node.condition] + node.extras {
                guard let child, parents.indices.contains(Int(child.rawValue)) else { continue }
                parents[Int(child.rawValue)] = i
            }
        }
        var above = Array(repeating: Above(), count: graph.nodes.count)
        var states: [NodeState] = []
        states.reserveCapacity(graph.nodes.count)
        for (i, row) in trace.rows.enumerated() {
            if let parent = parents[i], parent < i { above[i] = above[parent].below(parent, trace) }
            states.append(state(row, above[i], isReachable: i == 0 || parents[i] != nil, trace))
        }
        return states
    }

    /// What is known of the ancestors of a node.
    private struct Above {
        /// The nearest one that has ended in its current generation.
        var ended: NodeIndex?
        /// The one with the highest generation, the outermost of equals.
        var latest: NodeIndex?
        var latestGeneration: Int64 = 0

        func below(_ parent: Int, _ trace: NodeTrace) -> Above {
            var above = self
            let row = trace.rows[parent]
            let index = NodeIndex(rawValue: Int32(truncatingIfNeeded: parent))
            let isCurrent = row.stamp.map { !trace.isSuperseded($0) } ?? true
            if (row.status == .completed || row.status == .failed) && isCurrent {
                above.ended = index
            }
            if let generation = row.stamp?.levels.last?.generation, generation > latestGeneration {
                above.latest = index
                above.latestGeneration = generation
            }
            return above
        }
    }

    private static func state(
        _ row: NodeTrace.Row,
        _ above: Above,
        isReachable: Bool,
        _ trace: NodeTrace
    ) -> NodeState {
        var state = NodeState(
            status: row.status,
            result: row.result,
            failure: row.failure,
            stamp: row.stamp,
            updatedAt: row.updatedAt,
            inferredStatus: row.status,
            inferredFrom: nil
        )
        guard isReachable else { return state }
        let hasEnded = row.status == .completed || row.status == .failed
        let isCurrent = row.stamp.map { !trace.isSuperseded($0) } ?? true
        if hasEnded && isCurrent { return state }
        if let ended = above.ended {
            state.inferredStatus = .skipped
            state.inferredFrom = ended
        } else if hasEnded {
            state.inferredStatus = .pending
            state.inferredFrom = above.latest
        }
        return state
    }
}
