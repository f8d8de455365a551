// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The time zones that somebody outside knows the rules of.
public protocol TimeZones: Sendable {
    /// The rules of an IANA name; nil when there is no such zone.
    func rules(of name: Bytes) -> (any TimeZoneRules)?
}

/// What the clocks of one zone show.
public protocol TimeZoneRules {
    /// The stretch of one offset that `instant` lies in.
    func stretch(at instant: Timestamp) -> OffsetStretch
}

/// A time during which the clocks of a zone stay at one distance from UTC.
public struct OffsetStretch: Hashable, Sendable {
    /// East of Greenwich.
    public var offsetSeconds: Int64
    /// The first instant that may have another offset; nil when none is known.
    public var end: Timestamp?

    public init(offsetSeconds: Int64, end: Timestamp?) {
        self.offsetSeconds = offsetSeconds
        self.end = end
    }
}

/// No zone but UTC.
public struct NoTimeZones: TimeZones {
    public init() {}

    public func rules(of name: Bytes) -> (any TimeZoneRules)? { nil }
}

// A tick happens at the first instant at which the clocks of the zone have ever shown its time or a later one. So a
// time that does not exist is reached at the end of the gap, one that occurs twice is reached the first time, and
// ticks come in the order of their times whatever the clocks do.
extension CronSchedule {
    /// The first tick strictly after `instant` in the zone of that name, or nil when there is none.
    ///
    /// Without a name it is UTC. Throws for a zone that nobody knows.
    public func next(
        after instant: Timestamp,
        zone: Bytes?,
        _ zones: any TimeZones
    ) throws(CronError) -> Timestamp? {
        guard let zone else { return next(after: instant) }
        guard let rules = zones.rules(of: zone) else {
            throw CronError(
                message: ByteText("time zone \"\(quoting: zone)\" not recognized").bytes
            )
        }
        return next(after: instant, in: rules)
    }

    /// The first tick strictly after `instant` in a zone, or nil when there is none.
    public func next(after instant: Timestamp, in rules: any TimeZoneRules) -> Timestamp? {
        let reached = latestShown(by: instant, rules)
        guard let tick = next(after: LocalDateTime(utc: reached))?.utc else { return nil }
        return first(showing: tick, rules)
    }

    /// Longer than any zone ever differed from UTC or was set back: two days.
    private static var reach: Int64 { 2 * CivilCalendar.microsecondsPerDay }

    /// The latest time that the clocks have shown up to `instant`; wall times are written as if they were UTC.
    private func latestShown(by instant: Timestamp, _ rules: any TimeZoneRules) -> Timestamp {
        var latest = Timestamp.earliest
        walk(from: instant.advanced(byMicroseconds: -Self.reach), rules) { start, end, offset in
            let isLast = end.map { $0 > instant } ?? true
            // The end itself belongs to the next stretch.
            let seen = isLast ? instant : end?.advanced(byMicroseconds: -1) ?? instant
            latest = max(latest, seen.advanced(byMicroseconds: offset))
            return !isLast
        }
        return latest
    }

    /// The first instant at which the clocks show `time` or a later one.
    private func first(showing time: Timestamp, _ rules: any TimeZoneRules) -> Timestamp? {
        var found: Timestamp?
        walk(from: time.advanced(byMicroseconds: -Self.reach), rules) { start, end, offset in
            let candidate = max(start, time.advanced(byMicroseconds: -offset))
            if let end, candidate >= end { return true }
            found = candidate
            return false
        }
        return found
    }

    /// Calls `body` with one stretch after the other until it says that it wants no more.
    private func walk(
        from start: Timestamp,
        _ rules: any TimeZoneRules,
        _ body: (_ start: Timestamp, _ end: Timestamp?, _ offset: Int64) -> Bool
    ) {
        var start = start
        // Rules that claimed to change at every instant would not be any zone's.
        for _ in 0..<10_000 {
            let stretch = rules.stretch(at: start)
            let (offset, overflow) = stretch.offsetSeconds.multipliedReportingOverflow(by: 1_000_000)
            guard body(start, stretch.end, overflow ? 0 : offset), let end = stretch.end, end > start
            else { return }
            start = end
        }
    }
}
