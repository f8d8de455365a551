// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// Writes new instances and requests, in the caller's transaction and as whoever calls: rolled back, nothing happened.
public enum Starter {
    /// Stores an instance of `envelope` for the current role and announces it for the time after the commit.
    ///
    /// `envelope` is a validated graph; `startedBy` the session user on whose behalf, nil for this session's own. The
    /// result is the id that users see.
    public static func start(
        envelope: Bytes,
        label: Bytes?,
        database: Bytes?,
        role: UInt32,
        roleName: Bytes,
        startedBy: UInt32? = nil,
        quota: StartQuota
    ) throws(PostgresError) -> Bytes {
        try Storage.access { () throws(PostgresError) in
            try Catalog.enter()
            try quota.check(role, roleName)
            let stamp = try Home.current()
            let graph = try GraphStore.store(envelope, role: role)
            let variables = try Variables.all(of: role, current: true)
            let row = InstanceRow(
                id: InstanceID(rawValue: pgs_unique_number()),
                graph: graph,
                home: stamp,
                createdAt: Timestamp(rawValue: pgs_now_transaction()),
                role: role,
                startedBy: startedBy ?? pgs_user_session(),
                publicID: try freePublicID(),
                roleName: roleName,
                label: label,
                database: database,
                variables: VariableCoding.encode(variables)
            )
            try Tables.instances.open(writing: true) { table throws(PostgresError) in
                try table.insert(row.columns())
            }
            try Tables.active.open(writing: true) { table throws(PostgresError) in
                try table.insert([
                    .oid(role), .int8(row.id.rawValue), .int4(BranchID.root.rawValue),
                ])
            }
            try quota.count(row.id, of: role)
            try check(pgs_work_at_commit(role, row.id.rawValue, BranchID.root.rawValue))
            return row.publicID
        }
    }

    /// An id nobody has, not even an open transaction: 8 hex digits, more when the space fills.
    private static func freePublicID() throws(PostgresError) -> Bytes {
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            for attempt in 0..<12 {
                var candidate = hex(pgs_random32(), digits: 8)
                if attempt >= 4 { candidate += hex(pgs_random32(), digits: 4) }
                let taken = try table.first(
                    "instances_public_id",
                    .uncommitted,
                    keys: [.text(candidate)]
                ) { _ in true }
                if taken == nil { return candidate }
            }
            throw PostgresError(
                .programLimitExceeded,
                "Failed to create instance: exhausted 12 attempts to find a free id"
            )
        }
    }

    private static func hex(_ number: UInt32, digits: Int) -> Bytes {
        (0..<digits).map { i in
            let nibble = UInt8(truncatingIfNeeded: number >> UInt32(4 * (digits - 1 - i))) & 15
            return nibble < 10 ? 0x30 + nibble : 0x57 + nibble
        }
    }

    /// Stores a signal for the instance and has it looked at once that is committed.
    ///
    /// `data` is JSON text.
    public static func signal(_ row: InstanceRow, name: Bytes, data: Bytes) throws(PostgresError) {
        try Storage.access { () throws(PostgresError) in
            try Catalog.enter()
            try Tables.signals.open(writing: true) { table throws(PostgresError) in
                try table.insert([
                    .int8(row.id.rawValue), .int8(pgs_unique_number()),
                    .time(Timestamp(rawValue: pgs_now())), .text(name), .text(data),
                ])
            }
            try check(pgs_work_at_commit(row.role, row.id.rawValue, -1))
        }
    }

    /// Records that the instance shall end as cancelled, and interrupts what it is doing once that is committed.
    public static func requestCancel(_ row: InstanceRow, reason: Bytes) throws(PostgresError) {
        try Storage.access { () throws(PostgresError) in
            try Catalog.enter()
            try Tables.requests.open(writing: true) { table throws(PostgresError) in
                try table.insert([
                    .int8(row.id.rawValue), .int8(pgs_unique_number()),
                    .time(Timestamp(rawValue: pgs_now())),
                    .oid(pgs_user_current()), .int2(1), .text(reason),
                ])
            }
            try check(pgs_interrupt_at_commit(row.role, row.id.rawValue))
        }
    }
}
