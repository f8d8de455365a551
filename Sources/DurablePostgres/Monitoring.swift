// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableCore
public import DurableModel
public import PostgresExtension

/// An instance as monitoring shows it: everything is computed from the tables when somebody asks.
public struct InstanceReport {
    public let row: InstanceRow
    public let record: InstanceRecord
    public let status: InstanceStatus
    public let ended: EndedRow?
    public let cancelReason: Bytes?
    public let nodes: NodeStates

    /// Reads with the snapshot of the caller's statement, so that what several calls of it say fits together.
    public init(_ row: InstanceRow) throws(PostgresError) {
        self.row = row
        record = try Storage.record(row)
        status = try InstanceState.status(of: row, current: false)
        ended = try Storage.ended(row.id, current: false)
        cancelReason = try Storage.cancelReason(row.id, current: false)
        nodes = try InstanceReport.nodes(of: record, isPending: status == .pending)
    }

    /// What the nodes went through; of a journal that cannot be read, nothing is known.
    private static func nodes(
        of record: InstanceRecord,
        isPending: Bool
    ) throws(PostgresError) -> NodeStates {
        do throws(PostgresError) {
            let journal = try Storage.journal(record.id, current: false)
            if let states = try? NodeStates(record: record, journal: journal, isPending: isPending) {
                return states
            }
        } catch {
            guard error.state == .dataCorrupted, !error.isFromServer else { throw error }
        }
        do throws(ReplayError) {
            return try NodeStates(record: record, journal: [], isPending: true)
        } catch {
            throw PostgresError(.dataCorrupted, "graph of instance \(record.id.rawValue) is corrupt")
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

    /// When anything last happened to the instance.
    public var updatedAt: Timestamp {
        let latest = nodes.states.compactMap(\.updatedAt).max()
        return max(ended?.at ?? row.createdAt, latest ?? row.createdAt)
    }

    /// One line of `df.instance_nodes` and `df.nodes`.
    public struct Line {
        public let node: StoredNode
        public let state: NodeState
        public let inferredFrom: Bytes?
        public let statusDetails: Bytes?
    }

    public func lines() -> [Line] {
        record.graph.nodes.indices.compactMap { i in
            let index = NodeIndex(rawValue: Int32(truncatingIfNeeded: i))
            guard let node = StoredNode(index, of: record.graph, id: nodeID),
                let state = nodes[index]
            else {
                return nil
            }
            let details = state.stamp.map { stamp in
                Bytes(#"{"execution_id": ""#.utf8)
                    + stamp.text(instanceID: row.publicID, nodeID: nodeID)
                    + Bytes(#""}"#.utf8)
            }
            return Line(
                node: node,
                state: state,
                inferredFrom: state.inferredFrom.map(nodeID),
                statusDetails: details
            )
        }
    }
}
