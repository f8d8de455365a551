// SPDX-License-Identifier: PostgreSQL

public import DurableCore
public import DurableModel
internal import PostgresExtension

/// The time zones that the server knows.
///
/// An error of the server (it can only be out of memory) looks like an unknown zone here; nothing can be written after
/// it until the transaction has been rolled back, so that nobody acts on it.
public struct ServerTimeZones: TimeZones {
    public init() {}

    public func rules(of name: Bytes) -> (any TimeZoneRules)? {
        guard let zone = try? ServerTimeZone(name: name) else { return nil }
        return Rules(zone: zone)
    }

    private struct Rules: TimeZoneRules {
        let zone: ServerTimeZone

        func stretch(at instant: Timestamp) -> OffsetStretch {
            guard let found = try? zone.stretch(at: instant.rawValue) else {
                return OffsetStretch(offsetSeconds: 0, end: nil)
            }
            return OffsetStretch(
                offsetSeconds: Int64(found.offset),
                end: found.end.map { Timestamp(rawValue: $0) }
            )
        }
    }
}
