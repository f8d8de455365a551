// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
public import PostgresExtension

/// Where work is at home: a copy of the tables (restored, cloned, template-copied, replicated) runs nothing.
///
/// Every instance carries the stamp of the database it was started in; `df_internal.home` says which stamps are at
/// home at which place (system identifier and database oid). That table is never dumped.
public enum Home {
    /// The stamps that are at home here; empty in a copy that nobody adopted.
    public static func stamps() throws(PostgresError) -> [Int64] {
        var stamps: [Int64] = []
        try Tables.home.open(writing: false) { table throws(PostgresError) in
            try table.scan(
                "home_pkey",
                .latest,
                keys: [.int8(pgs_system_identifier()), .oid(pgs_database_current())]
            ) { row throws(PostgresError) in
                stamps.append(row.number(2))
                return true
            }
        }
        return stamps
    }

    /// The stamp for instances that are started now.
    static func current() throws(PostgresError) -> Int64 {
        guard let stamp = try stamps().first else {
            throw PostgresError(
                .objectNotInPrerequisiteState,
                "this database is a copy, and its durable functions belong to the original",
                detail: "Nothing runs here, so that the same work is not done twice.",
                hint: "A superuser can let this database take over with SELECT df.adopt()."
            )
        }
        return stamp
    }

    /// Declares `stamp` at home here.
    public static func add(_ stamp: Int64) throws(PostgresError) {
        try Tables.home.open(writing: true) { table throws(PostgresError) in
            try table.insert([
                .int8(pgs_system_identifier()), .oid(pgs_database_current()), .int8(stamp),
            ])
        }
    }

    /// After pg_upgrade the system identifier is another and the database oid the same: the work is at home still.
    ///
    /// - Returns: whether stamps were taken over. Only where no row names this cluster at all: a logical subscriber
    ///   has a row of its own from CREATE EXTENSION, and may by chance have the publisher's database oid.
    public static func adoptAfterUpgrade() throws(PostgresError) -> Bool {
        var stamps: [Int64] = []
        var namesThisCluster = false
        try Tables.home.open(writing: false) { table throws(PostgresError) in
            try table.scan("home_pkey", .latest, keys: []) { row throws(PostgresError) in
                if row.number(0) == pgs_system_identifier() {
                    namesThisCluster = true
                } else if row.oid(1) == pgs_database_current() {
                    stamps.append(row.number(2))
                }
                return true
            }
        }
        guard !namesThisCluster, !stamps.isEmpty else { return false }
        for stamp in Set(stamps).sorted() { try add(stamp) }
        return true
    }
}

/// The version row of the engine's tables.
public enum Catalog {
    /// What CREATE EXTENSION leaves to the library: the version row and this place's stamp.
    public static func initialize() throws(PostgresError) {
        try Storage.access { () throws(PostgresError) in
            try Tables.catalog.open(writing: true) { table throws(PostgresError) in
                try table.insert([.int4(Tables.version)])
            }
            try Home.add(pgs_unique_number())
        }
        // A user's table with a column of a view's row type would block upgrades and DROP EXTENSION.
        let revoke: StaticString =
            """
            REVOKE USAGE ON TYPE df.instances, df.nodes, df.vars, df._worker_epoch, _duroxide._worker_ready \
            FROM PUBLIC
            """
        try PostgresExtension.check(pgs_run_outside_extension(revoke.cString))
    }

    /// Refuses to go on when the tables belong to another version of the library.
    public static func check() throws(PostgresError) { try check(stays: false) }

    /// The same for a transaction of a client that is going to write.
    ///
    /// DROP EXTENSION waits until it ends, or it waits here for the DROP, holding none of the tables yet.
    static func enter() throws(PostgresError) { try check(stays: true) }

    private static func check(stays: Bool) throws(PostgresError) {
        let version = try Tables.catalog.open(writing: false) { table throws(PostgresError) in
            if stays { table.keepLock() }
            return try table.first("catalog_pkey", .latest, keys: []) { $0.int32(0) }
        }
        guard version == Tables.version else {
            throw PostgresError(
                .objectNotInPrerequisiteState,
                "the tables of extension \"pg_durable\" are of version \(version ?? 0), "
                    + "the loaded library needs version \(Tables.version)",
                hint: (version ?? 0) < Tables.version
                    ? "Run ALTER EXTENSION pg_durable UPDATE."
                    : "Restart the server to load the new library."
            )
        }
    }
}
