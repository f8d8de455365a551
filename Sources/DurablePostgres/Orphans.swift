// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// Instances whose role is gone: they fail, and what the role stored goes, before a new role can get its oid.
enum Orphans {
    /// Instances of one transaction: each takes a lock.
    private static let batchMax = 100
    // SAFETY: a server process has one thread.
    /// Roles whose instances have been ended by this process.
    nonisolated(unsafe) private static var done: Set<UInt32> = []

    static func end() throws(PostgresError) {
        for role in try rolesWithRows() {
            if done.contains(role), try !hasNews(role) { continue }
            var standing = PGS_STANDING_GOOD
            try ServerPort.transaction { () throws(PostgresError) in
                try check(pgs_role_standing(role, nil, true, &standing))
            }
            guard standing == PGS_STANDING_MISSING else { continue }
            var pages = InstancePages(roles: [role], .latest)
            while try endBatch(&pages) {}
            try ServerPort.transaction { () throws(PostgresError) in
                try Tables.variables.open(writing: true) { table throws(PostgresError) in
                    let stamps = try Home.stamps()
                    try table.scan("variables_pkey", .latest, keys: [.oid(role)]) {
                        row throws(PostgresError) in
                        // Those of a copy that nobody adopted belong to a role of another cluster.
                        if stamps.contains(row.number(2)) { _ = try row.delete(wait: false) }
                        return true
                    }
                }
                try RequestRules.remove(role: role)
            }
            done.insert(role)
        }
    }

    /// Whether something has come up since: a transaction of the role's may have been open when it was dropped.
    private static func hasNews(_ role: UInt32) throws(PostgresError) -> Bool {
        try ServerPort.transaction { () throws(PostgresError) in
            for (shape, index) in [
                (Tables.active, "active_pkey" as StaticString), (Tables.variables, "variables_pkey"),
            ] {
                let found = try shape.open(writing: false) { table throws(PostgresError) in
                    try table.first(index, .latest, keys: [.oid(role)], columns: 1) { _ in true }
                }
                if found != nil { return true }
            }
            return false
        }
    }

    /// Every role that has an instance, a variable or a rule.
    private static func rolesWithRows() throws(PostgresError) -> [UInt32] {
        try ServerPort.transaction { () throws(PostgresError) in
            let instances = try Storage.rolesWithInstances(.latest)
            let variables = try Storage.roles(Tables.variables, index: "variables_pkey", column: 0, .latest)
            return Set(instances + variables + (try RequestRules.roles())).sorted()
        }
    }

    /// Ends up to a batch of the role's instances; false at the end.
    private static func endBatch(_ pages: inout InstancePages) throws(PostgresError) -> Bool {
        try ServerPort.transaction { () throws(PostgresError) in
            let stamps = try Home.stamps()
            for _ in 0..<batchMax {
                guard let row = try pages.next() else { return false }
                guard stamps.contains(row.home), try Storage.isUnended(row.id) else { continue }
                try check(pgs_item_lock(row.id.rawValue))
                guard try Storage.isUnended(row.id) else { continue }
                try fail(row)
            }
            return true
        }
    }

    /// Writes that an instance failed because its role is gone.
    static func fail(_ row: InstanceRow) throws(PostgresError) {
        let text =
            Bytes("Instance ".utf8) + row.publicID
            + Bytes(": submitted_by role no longer exists in pg_roles".utf8)
        let failure = StepFailure(
            sqlstate: SQLState.undefinedObject.text,
            message: text,
            detail: Bytes("It was \"".utf8) + row.roleName + Bytes("\".".utf8)
        )
        try CheckpointWriter.end(
            row.id,
            EndedRow(at: Timestamp(rawValue: pgs_now()), outcome: .failed(text: text, failure: failure)),
            role: row.role
        )
    }
}
