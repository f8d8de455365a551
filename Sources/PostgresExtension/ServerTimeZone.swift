// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// A time zone with the rules that the server has for it.
///
/// The corresponding C type is `pg_tz`. Rules are read once per process: a session that runs when the server's
/// database of time zones is replaced keeps the old ones.
public struct ServerTimeZone {
    // SAFETY: the server never frees a zone.
    private let zone: OpaquePointer

    /// The zone of an IANA name, in any letter case; nil when there is none.
    public init?(name: [UInt8]) throws(PostgresError) {
        var found: OpaquePointer?
        try check(withBytes(name) { pgs_timezone_find($0, $1, &found) })
        guard let found else { return nil }
        zone = found
    }

    /// Seconds east of Greenwich at `instant`, and when that may change next; nil when never.
    ///
    /// Both instants are in microseconds since 2000-01-01 00:00 UTC.
    public func stretch(at instant: Int64) throws(PostgresError) -> (offset: Int32, end: Int64?) {
        var offset: Int32 = 0
        var end = Int64.max
        try check(pgs_timezone_stretch(zone, instant, &offset, &end))
        return (offset, end == .max ? nil : end)
    }
}
