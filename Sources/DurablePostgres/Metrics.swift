// SPDX-License-Identifier: PostgreSQL

internal import DurableModel
public import PostgresExtension

/// How much there is in this database, of all roles: counted when somebody asks, as the statement sees it.
public struct Metrics {
    public private(set) var instances: Int64 = 0
    public private(set) var completed: Int64 = 0
    /// With the cancelled ones.
    public private(set) var failed: Int64 = 0
    /// Iterations of root loops count, as an instance without one does once.
    public private(set) var executions: Int64 = 0
    /// Entries that the journals hold; those of a loop's earlier iterations are gone.
    public private(set) var events: Int64 = 0

    /// Pending ones, too.
    public var running: Int64 { instances &- completed &- failed }

    /// Reads everything; `pulse` is called for each row and may throw.
    public init(_ pulse: () throws(PostgresError) -> Void) throws(PostgresError) {
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            try table.scan("instances_pkey", .statement, keys: [], columns: 2) { row throws(PostgresError) in
                try pulse()
                instances &+= 1
                executions &+= try Metrics.executions(
                    of: InstanceID(rawValue: row.number(0)),
                    graph: row.number(1)
                )
                return true
            }
        }
        try Tables.ended.open(writing: false) { table throws(PostgresError) in
            try table.scan("ended_pkey", .statement, keys: [], columns: 3) { row throws(PostgresError) in
                try pulse()
                if row.number(2) == 1 { completed &+= 1 } else { failed &+= 1 }
                return true
            }
        }
        try Tables.journal.open(writing: false) { table throws(PostgresError) in
            try table.scan("journal_pkey", .statement, keys: [], columns: 1) { _ throws(PostgresError) in
                try pulse()
                events &+= 1
                return true
            }
        }
    }

    /// Only a root loop has more than one, and only then the journal is read.
    private static func executions(of id: InstanceID, graph: Int64) throws(PostgresError) -> Int64 {
        guard try InstanceReport.isLoop(graph: graph), let row = try Storage.instance(id, current: false)
        else {
            return 1
        }
        return try InstanceReport.generation(of: row)
    }
}
