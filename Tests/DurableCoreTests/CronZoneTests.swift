// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Foundation
import Testing

@testable import DurableCore

/// Offsets of a zone from a list, in Unix minutes and seconds.
private struct ListedRules: TimeZoneRules {
    var steps: [(start: Timestamp, offset: Int64)]

    init(_ steps: [(start: Timestamp, offset: Int64)]) { self.steps = steps }

    init(_ words: Substring) throws {
        steps = try words.split(separator: " ").map { word in
            let parts = word.split(separator: ":")
            return (try instant(parts[0]), try #require(Int64(parts[1])))
        }
    }

    func stretch(at instant: Timestamp) -> OffsetStretch {
        let next = steps.firstIndex { $0.start > instant } ?? steps.count
        return OffsetStretch(
            offsetSeconds: steps[max(next - 1, 0)].offset,
            end: next < steps.count ? steps[next].start : nil
        )
    }
}

private struct OneZone: TimeZones {
    func rules(of name: Bytes) -> (any TimeZoneRules)? {
        name == Bytes("Here".utf8) ? ListedRules([(.earliest, 3600)]) : nil
    }
}

private func instant(_ minutes: Substring) throws -> Timestamp {
    let unix = try #require(Int64(minutes))
    return Timestamp(rawValue: (unix * 60 - 946_684_800) * 1_000_000)
}

private func local(_ hour: Int, _ minute: Int = 0, day: Int = 1) throws -> Timestamp {
    try #require(LocalDateTime(year: 2026, month: 3, day: day, hour: hour, minute: minute).utc)
}

struct CronZoneTests {
    /// Every answer of croniter's table (pgtest/data/make_cron_ticks.py says how it is made).
    @Test func tableOfAnotherImplementation() throws {
        let here = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = root.appendingPathComponent("pgtest/data/cron_ticks.tsv")
        var rules: [Substring: ListedRules] = [:]
        var checked = 0
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: "\t")
            if fields[0] == "zone" {
                rules[fields[1]] = try ListedRules(fields[2])
                continue
            }
            let zone = try #require(rules[fields[1]])
            let schedule = try CronSchedule(Bytes(fields[2].utf8))
            guard fields.count == 4 else { continue }
            for pair in fields[3].split(separator: " ") {
                let parts = pair.split(separator: "+")
                let after = try instant(parts[0])
                let wait = try #require(Int64(parts[1]))
                let expected = after.advanced(byMicroseconds: wait * 60_000_000)
                let found = schedule.next(after: after, in: zone)
                #expect(found == expected, "\(fields[1]) \(fields[2]) after \(parts[0])")
                // The seconds within the minute do not matter.
                let late = after.advanced(byMicroseconds: 59_999_999)
                #expect(schedule.next(after: late, in: zone) == expected, "late in \(parts[0])")
                checked += 1
            }
        }
        #expect(rules.count >= 20 && checked > 15_000)
    }

    /// A time that does not exist fires once, at the end of the gap; also when a whole day does not exist.
    @Test func gaps() throws {
        let spring = ListedRules([(.earliest, 3600), (try local(1, day: 8), 7200)])
        for (text, day) in [("30 2 * * *", 8), ("0 2 * * *", 8), ("59 2 8 3 *", 8)] {
            let schedule = try CronSchedule(Bytes(text.utf8))
            let before = try local(22, day: day - 1)
            #expect(schedule.next(after: before, in: spring) == (try local(1, day: 8)), "\(text)")
        }
        // Several times of one gap are one tick, and the first time after the gap is another only if it is later.
        let quarters = try CronSchedule(Bytes("*/15 * * * *".utf8))
        #expect(quarters.next(after: try local(0, 50, day: 8), in: spring) == (try local(1, day: 8)))
        #expect(quarters.next(after: try local(1, day: 8), in: spring) == (try local(1, 15, day: 8)))
        // Samoa had no 30 December 2011.
        let west = ListedRules([(.earliest, -36_000), (try local(10, day: 30), 50_400)])
        let noon = try CronSchedule(Bytes("0 12 * * *".utf8))
        #expect(noon.next(after: try local(22, day: 29), in: west) == (try local(10, day: 30)))
        #expect(noon.next(after: try local(10, day: 30), in: west) == (try local(22, day: 30)))
    }

    /// A time that occurs twice fires the first time only.
    @Test func overlaps() throws {
        let autumn = ListedRules([(.earliest, 7200), (try local(1, day: 25), 3600)])
        let half = try CronSchedule(Bytes("30 2 * * *".utf8))
        #expect(half.next(after: try local(0, day: 25), in: autumn) == (try local(0, 30, day: 25)))
        #expect(half.next(after: try local(0, 30, day: 25), in: autumn) == (try local(1, 30, day: 26)))
        #expect(half.next(after: try local(1, 10, day: 25), in: autumn) == (try local(1, 30, day: 26)))
        let minutely = try CronSchedule(Bytes("* * * * *".utf8))
        #expect(minutely.next(after: try local(0, 59, day: 25), in: autumn) == (try local(2, day: 25)))
        #expect(minutely.next(after: try local(2, day: 25), in: autumn) == (try local(2, 1, day: 25)))
    }

    /// Rules that make no sense end the search instead of never ending, and extremes overflow nothing.
    @Test func oddRules() throws {
        struct Still: TimeZoneRules {
            func stretch(at instant: Timestamp) -> OffsetStretch {
                OffsetStretch(offsetSeconds: .max, end: instant)
            }
        }
        struct Restless: TimeZoneRules {
            func stretch(at instant: Timestamp) -> OffsetStretch {
                OffsetStretch(offsetSeconds: 0, end: instant.advanced(byMicroseconds: 1))
            }
        }
        let schedule = try CronSchedule(Bytes("* * * * *".utf8))
        for raw in [Int64.min, -1, 0, Timestamp.latest.rawValue, .max] {
            _ = schedule.next(after: Timestamp(rawValue: raw), in: Still())
            _ = schedule.next(after: Timestamp(rawValue: raw), in: Restless())
            _ = schedule.next(after: Timestamp(rawValue: raw), in: ListedRules([(.earliest, 3600)]))
        }
    }

    /// Without a zone it is UTC; an unknown zone is an error.
    @Test func namedZones() throws {
        let schedule = try CronSchedule(Bytes("0 9 * * *".utf8))
        let midnight = try local(0)
        #expect(try schedule.next(after: midnight, zone: nil, OneZone()) == local(9))
        #expect(try schedule.next(after: midnight, zone: Bytes("Here".utf8), OneZone()) == local(8))
        #expect(throws: CronError.self) {
            try schedule.next(after: midnight, zone: Bytes("There".utf8), OneZone())
        }
    }

    /// What the constructor stores and refuses.
    @Test func constructor() throws {
        func build(_ text: String, _ zone: String? = nil) throws -> String {
            let zone = zone.map { Bytes($0.utf8) }
            let now = try local(0)
            let envelope = try Compose.schedule(Bytes(text.utf8), zone: zone, now: now, zones: OneZone())
            return String(decoding: envelope, as: UTF8.self)
        }
        #expect(
            try build(" 0 9  * * MON")
                == #"{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\" 0 9  * * MON\"}"}"#
        )
        #expect(
            try build("@daily", "Here")
                == #"{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"@daily\",\"timezone\":\"Here\"}"}"#
        )
        let refused: [(String, String?, String?)] = [
            ("a", nil, "The reason: expected 5 or 6 fields, found 1."),
            ("0 0 30 2 *", nil, "The reason: it can never fire, no month of these has such a day."),
            ("0 0 1 1 * 2025", nil, "The reason: it can never fire again, its years are past."),
            ("@daily", "There", nil),
        ]
        for (text, zone, detail) in refused {
            do {
                _ = try build(text, zone)
                Issue.record("\(text) was accepted")
            } catch let error as EnvelopeError {
                #expect(error.detail.map { String(decoding: $0, as: UTF8.self) } == detail)
                let original: ByteText =
                    "Invalid cron expression '\(Bytes(text.utf8))': Invalid expression: Invalid cron expression."
                let message: ByteText =
                    detail == nil ? "time zone \"There\" not recognized" : original
                #expect(error.message == message.bytes)
                #expect(error.sqlstate == Bytes("22023".utf8))
            }
        }
    }
}
