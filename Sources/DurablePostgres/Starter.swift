// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// Writes new instances and requests, in the caller's transaction and as whoever calls: rolled back, nothing happened.
public enum Starter {
    /// Stores an instance of `envelope` for the current role and announces it for the time after the commit.
    ///
    /// `envelope` is a validated graph; `startedBy` the session user on whose behalf, nil for this session's own;
    /// `idSeed` makes the ids that are tried the same each time. The result is the id that users see.
    public static func start(
        envelope: Bytes,
        label: Bytes?,
        database: Bytes?,
        role: UInt32,
        roleName: Bytes,
        startedBy: UInt32? = nil,
        quota: StartQuota,
        idSeed: UInt32? = nil
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
                publicID: try freePublicID(seed: idSeed),
                roleName: roleName,
                label: label,
                database: database,
                details: InstanceRow.Details(
                    variables: VariableCoding.encode(variables),
                    options: OptionCoding.encode(valueSizeMax: quota.valueSizeMax)
                )
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

    /// An id nobody has, not even an open transaction: the unique index would wait for its end.
    private static func freePublicID(seed: UInt32?) throws(PostgresError) -> Bytes {
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            var fixed = seed
            let id = try PublicID.draw {
                guard let last = fixed else { return pgs_random32() }
                let next = last &* 1_664_525 &+ 1_013_904_223
                fixed = next
                return next
            } isTaken: { (candidate: Bytes) throws(PostgresError) in
                let row: Bool? = try table.first(
                    "instances_public_id",
                    .uncommitted,
                    keys: [.text(candidate)]
                ) { _ in true }
                return row != nil
            }
            guard let id else {
                throw PostgresError(
                    .programLimitExceeded,
                    "Failed to create instance: exhausted \(PublicID.drawsMax) attempts to find a free id",
                    hint:
                        "Remove ended instances: lower pg_durable.retention_days or pg_durable.retention_count."
                )
            }
            return id
        }
    }

    /// Stores a signal for the instance and has it looked at once that is committed.
    ///
    /// `data` is JSON text.
    public static func signal(
        _ row: InstanceRow,
        name: Bytes,
        data: Bytes,
        quota: SignalQuota
    ) throws(PostgresError) {
        try Storage.access { () throws(PostgresError) in
            try Catalog.enter()
            try quota.check(row)
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
