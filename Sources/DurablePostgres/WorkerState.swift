// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// Whether this database is served, and since when; read from shared memory, where nobody has to write it down.
public struct WorkerState {
    /// When the extension was created here.
    public let initializedAt: Timestamp
    /// When its work was taken up: with the server's start, or its restart after a crash.
    public let startedAt: Timestamp
    /// Now, while everything is in order; else when it was for the last time.
    public let seenAt: Timestamp
    /// 16 bytes: one for each start of the server's processes and each CREATE EXTENSION.
    public let epoch: Bytes

    /// Nil where nothing can run: in a copy that nobody adopted, and with tables of another version.
    public static func current() throws(PostgresError) -> WorkerState? {
        do throws(PostgresError) {
            try Catalog.check()
        } catch {
            guard error.state == .objectNotInPrerequisiteState, !error.isFromServer else { throw error }
            return nil
        }
        guard pgs_workset_is_ready(), let stamp = try Home.stamps().first else { return nil }
        return try WorkerState(stamp)
    }

    private init(_ stamp: Int64) throws(PostgresError) {
        let booted = pgs_workset_booted_at()
        // A stamp is a number that tells when it was made (pgs_unique_number).
        initializedAt = Timestamp(rawValue: stamp >> 11)
        startedAt = max(initializedAt, Timestamp(rawValue: booted))
        seenAt = max(startedAt, Timestamp(rawValue: pgs_workset_served_at()))
        var hash = Bytes(repeating: 0, count: 32)
        let seed = Bytes("\(pgs_system_identifier()) \(pgs_database_current()) \(stamp) \(booted)".utf8)
        let error = seed.withUnsafeBufferPointer { seed in
            hash.withUnsafeMutableBufferPointer { hash -> OpaquePointer? in
                guard let from = seed.baseAddress, let out = hash.baseAddress else { return nil }
                return pgs_sha256(from, seed.count, out)
            }
        }
        try check(error)
        // Version 8 of RFC 9562: made as its maker likes.
        hash[6] = hash[6] & 0x0F | 0x80
        hash[8] = hash[8] & 0x3F | 0x80
        epoch = Bytes(hash.prefix(16))
    }
}
