// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
public import PostgresExtension

/// How much a role may start; 0 is no limit.
///
/// The number of live instances is counted in the table `counted`, open transactions included, so it holds through
/// crashes and rollbacks. The rate is kept in shared memory: a second later it means nothing any more.
public struct StartQuota: Sendable {
    /// Most instances in this database that have not ended.
    public var liveMax: Int
    /// Most starts per second in the cluster.
    public var perSecondMax: Int32
    /// Largest value that a construct of the instance may make, in bytes; never none.
    public var valueSizeMax: Int

    public init(liveMax: Int, perSecondMax: Int32, valueSizeMax: Int) {
        self.liveMax = liveMax
        self.perSecondMax = perSecondMax
        self.valueSizeMax = valueSizeMax
    }

    /// In the init of the preloaded library.
    public static func install() throws(PostgresError) {
        let name: StaticString = "pg_durable rates"
        try PostgresExtension.check(pgs_rate_install(name.cString))
    }

    /// What the last count of this process found.
    private struct Count {
        var role: UInt32
        /// The start that asked for it included.
        var live: Int
        /// The role's tally before the count.
        var tally: UInt64
    }
    // SAFETY: a server process has one thread.
    /// With the starts tallied since, by anybody, an upper bound of what lives now: while that fits the limit, nothing
    /// has to be counted again.
    nonisolated(unsafe) private static var last: Count?

    func check(_ role: UInt32, _ roleName: Bytes) throws(PostgresError) {
        try checkLive(role, roleName)
        guard perSecondMax > 0 else { return }
        var taken = true
        try PostgresExtension.check(pgs_rate_take(role, perSecondMax, &taken))
        guard !taken else { return }
        throw PostgresError(
            .configurationLimitExceeded,
            "role \"\(shown(roleName))\" starts durable functions too fast",
            detail: "pg_durable.max_starts_per_second_per_role is \(perSecondMax).",
            hint: "Start them later, or several steps as one function."
        )
    }

    private func checkLive(_ role: UInt32, _ roleName: Bytes) throws(PostgresError) {
        guard liveMax > 0 else { return }
        let tally = pgs_tally_add(role)
        if let last = StartQuota.last, last.role == role,
            UInt64(last.live) &+ (tally &- last.tally) <= UInt64(liveMax)
        {
            return
        }
        StartQuota.last = nil
        let before = pgs_tally_read(role)
        let live = try count(role)
        guard live < liveMax else {
            throw PostgresError(
                .configurationLimitExceeded,
                "role \"\(shown(roleName))\" has too many live durable functions",
                detail: "pg_durable.max_live_instances_per_role is \(liveMax).",
                hint: "Wait until some have ended, or cancel some with df.cancel()."
            )
        }
        StartQuota.last = Count(role: role, live: live + 1, tally: before)
    }

    /// The role's rows in `counted`, uncommitted ones too, but no more than the limit.
    private func count(_ role: UInt32) throws(PostgresError) -> Int {
        try Tables.counted.open(writing: false) { table throws(PostgresError) in
            try table.count("counted_pkey", .uncommitted, keys: [.oid(role)], atMost: liveMax)
        }
    }

    /// Makes the new instance count.
    func count(_ instance: InstanceID, of role: UInt32) throws(PostgresError) {
        guard liveMax > 0 else { return }
        try Tables.counted.open(writing: true) { table throws(PostgresError) in
            try table.insert([.oid(role), .int8(instance.rawValue)])
        }
    }
}
