// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableCore
public import DurableModel
internal import DurableRuntime
public import PostgresExtension

/// An instance as monitoring shows it: everything is computed from the tables when somebody asks.
public struct InstanceReport {
    public let row: InstanceRow
    public let record: InstanceRecord
    public let status: InstanceStatus
    public let ended: EndedRow?
    public let cancelReason: Bytes?
    public let nodes: NodeStates
    /// Journal entries of the root's present generation.
    public let eventCount: Int64

    /// Reads with the snapshot of the caller's statement, so that what several calls of it say fits together.
    ///
    /// With `keepsNames`, `nodes.executedText` can tell what ran.
    public init(_ row: InstanceRow, keepsNames: Bool = false) throws(PostgresError) {
        self.row = row
        record = try Storage.record(row, current: false)
        status = try InstanceState.status(of: row, current: false)
        ended = try Storage.ended(row.id, current: false)
        cancelReason = try Storage.cancelReason(row.id, current: false)
        (nodes, eventCount) = try InstanceReport.replay(
            record,
            isPending: status == .pending,
            hasEnded: ended != nil,
            keepsNames: keepsNames
        )
    }

    /// The report, or nil for one that a newer version of the extension has stored: a list goes on without it.
    public static func ifReadable(_ row: InstanceRow) throws(PostgresError) -> InstanceReport? {
        do throws(PostgresError) {
            return try InstanceReport(row)
        } catch {
            guard error.isNewerFormat else { throw error }
            return nil
        }
    }

    /// What the nodes went through; of a journal that cannot be read, nothing is known.
    private static func replay(
        _ record: InstanceRecord,
        isPending: Bool,
        hasEnded: Bool,
        keepsNames: Bool
    ) throws(PostgresError) -> (NodeStates, Int64) {
        do throws(PostgresError) {
            let journal = try Storage.journal(record.id, current: false)
            let states = try? NodeStates(
                record: record,
                journal: journal,
                isPending: isPending,
                hasEnded: hasEnded,
                keepsNames: keepsNames
            )
            if let states {
                return (states, Int64(journal.count { $0.at >= states.generationBegan }))
            }
        } catch {
            guard error.state == .dataCorrupted, !error.isFromServer else { throw error }
        }
        do throws(ReplayError) {
            return (try NodeStates(record: record, journal: [], isPending: true), 0)
        } catch {
            throw PostgresError(.dataCorrupted, "graph of instance \(record.id.rawValue) is corrupt")
        }
    }

    /// Which iteration of its root loop an instance is in; 1 without one, and of a journal that cannot be read.
    public static func generation(of row: InstanceRow) throws(PostgresError) -> Int64 {
        do throws(PostgresError) {
            guard try isLoop(graph: row.graph) else { return 1 }
            var machine = Machine(record: try Storage.record(row, current: false))
            let journal = try Storage.journal(row.id, for: machine.record.graph, current: false)
            guard (try? machine.fold(all: journal)) != nil else { return 1 }
            return machine.generation
        } catch {
            guard error.isUnreadable else { throw error }
            return 1
        }
    }

    /// Whether the root of the graph is a loop; false for one that cannot be read.
    static func isLoop(graph: Int64) throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            if let kind = try GraphStore.rootKind(graph) { return kind == .loop }
            return try GraphStore.graph(graph, current: false).node(.root)?.kind == .loop
        } catch {
            guard error.isUnreadable else { throw error }
            return false
        }
    }

    /// The node in which a failure arose; nil for one that no node has, and when a later iteration has forgotten it.
    public func origin(of failure: StepFailure) -> StoredNode? {
        let found = nodes.states.firstIndex { $0.failure == failure }
        return found.flatMap { i in
            StoredNode(NodeIndex(rawValue: Int32(truncatingIfNeeded: i)), of: record.graph, id: nodeID)
        }
    }

    /// The node's id as users see it.
    public func nodeID(_ node: NodeIndex) -> Bytes { NodeID.hex(instance: row.id, node: node) }

    /// What the engine has to say: the root's value, the failure's text, or that it was cancelled.
    public var output: Bytes? { InstanceReport.output(ended, cancelReason: cancelReason) }

    public static func output(_ ended: EndedRow?, cancelReason: Bytes?) -> Bytes? {
        switch ended?.outcome {
        case .completed(let value): value
        case .failed(let text, _): text
        case .cancelled(let reason): Bytes("canceled: ".utf8) + reason
        case nil: cancelReason.map { Bytes("canceled: ".utf8) + $0 }
        }
    }

    /// One line of `df.instance_nodes` and `df.nodes`.
    public struct Line {
        public let node: StoredNode
        public let state: NodeState
        public let inferredFrom: Bytes?
        /// JSON text.
        public let statusDetails: Bytes?
        /// Of a failed node: SQLSTATE and message, or the text alone where the report is another node's.
        public let error: Bytes?
    }

    public func lines() -> [Line] {
        record.graph.nodes.indices.compactMap { i in
            let index = NodeIndex(rawValue: Int32(truncatingIfNeeded: i))
            guard let node = StoredNode(index, of: record.graph, id: nodeID),
                let state = nodes[index]
            else {
                return nil
            }
            return Line(
                node: node,
                state: state,
                inferredFrom: state.inferredFrom.map(nodeID),
                statusDetails: details(state),
                error: InstanceReport.error(of: state)
            )
        }
    }

    /// Which execution the node ran in and, when it failed, SQLSTATE and message.
    private func details(_ state: NodeState) -> Bytes? {
        guard let stamp = state.stamp else { return nil }
        var object = JSONObjectWriter()
        object.member("execution_id", string: stamp.text(instanceID: row.publicID, nodeID: nodeID))
        if let failure = state.failure {
            var error = JSONObjectWriter()
            error.member("sqlstate", string: failure.sqlstate)
            error.member("message", string: failure.serverMessage)
            object.member("error", raw: error.finish())
        }
        return object.finish()
    }

    private static func error(of state: NodeState) -> Bytes? {
        guard state.status == .failed else { return nil }
        if let failure = state.failure { return failure.sqlstate + Bytes(": ".utf8) + failure.serverMessage }
        return state.result.flatMap { try? JSONDocument($0) }?.root.string
    }
}
