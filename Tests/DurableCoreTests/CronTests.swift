// SPDX-License-Identifier: PostgreSQL

import DurableModel
import DurableTestKit
import Testing

@testable import DurableCore

private func schedule(_ text: String) -> CronSchedule? { try? CronSchedule(Bytes(text.utf8)) }

private func time(_ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0, _ minute: Int = 0) -> LocalDateTime
{
    LocalDateTime(year: year, month: month, day: day, hour: hour, minute: minute)
}

/// Days and timestamps convert both ways over all years a timestamp has.
@Test func calendarRoundTrip() {
    #expect(LocalDateTime(utc: Timestamp(rawValue: 0)) == time(2000, 1, 1))
    #expect(CivilCalendar.weekday(ofDay: 0) == 6)
    #expect(LocalDateTime(utc: Timestamp(rawValue: -1)).microsecond == 999_999)
    #expect(LocalDateTime(utc: .latest).utc == .latest)
    #expect(LocalDateTime(utc: .earliest).utc == .earliest)
    #expect(LocalDateTime(utc: .earliest).year == -4713)
    #expect(time(2023, 2, 29).utc == nil && time(2024, 2, 29).utc != nil && time(1900, 2, 29).utc == nil)
    #expect(time(2000, 1, 1, 24).utc == nil && time(300_000, 1, 1).utc == nil && time(2000, 13, 1).utc == nil)
    for number in stride(from: -2_451_545, through: 106_000_000, by: 9973) {
        let date = LocalDateTime(dayNumber: number)
        #expect(CivilCalendar.dayNumber(year: date.year, month: date.month, day: date.day) == number)
    }
    for raw in [Int64.min, .max] { #expect(LocalDateTime(utc: Timestamp(rawValue: raw)).minute >= 0) }
}

/// The next tick after a moment, from a table.
@Test func cronNextTicks() {
    let cases: [(String, LocalDateTime, LocalDateTime?)] = [
        ("* * * * *", time(2026, 2, 28, 23, 59), time(2026, 3, 1)),
        ("*/15 * * * *", time(2026, 1, 1, 0, 15), time(2026, 1, 1, 0, 30)),
        ("7/20 * * * *", time(2026, 1, 1, 0, 47), time(2026, 1, 1, 1, 7)),
        ("0 9 * * 1", time(2026, 11, 22, 12), time(2026, 11, 23, 9)),
        ("0 9 * * 0", time(2026, 11, 23), time(2026, 11, 29, 9)),
        ("0 9 * * 7", time(2026, 11, 23), time(2026, 11, 29, 9)),
        ("0 9 * * SUN", time(2026, 11, 23), time(2026, 11, 29, 9)),
        ("0 9 * * Mon-fri", time(2026, 11, 20, 9), time(2026, 11, 23, 9)),
        ("0 9 * * 5-7", time(2026, 11, 21, 9), time(2026, 11, 22, 9)),
        ("0 9 * * Tues,Thurs", time(2026, 11, 24, 9), time(2026, 11, 26, 9)),
        ("0 0 29 2 *", time(2026, 1, 1), time(2028, 2, 29)),
        ("0 0 29 2 *", time(2096, 3, 1), time(2104, 2, 29)),
        ("0 0 31 * *", time(2026, 4, 1), time(2026, 5, 31)),
        ("0 0 31 4,6,9,11,12 *", time(2026, 1, 1), time(2026, 12, 31)),
        ("0 0 13 * 5", time(2026, 11, 22), time(2026, 11, 27)),
        ("0 0 13 * 5", time(2026, 12, 11), time(2026, 12, 13)),
        ("0 0 30 2 1", time(2026, 2, 1), time(2026, 2, 2)),
        ("0 0 13 * ?", time(2026, 11, 22), time(2026, 12, 13)),
        ("0 0 ? * 5", time(2026, 11, 22), time(2026, 11, 27)),
        ("0 0 *,13 * 5", time(2026, 11, 22), time(2026, 11, 27)),
        ("30 4 1,15 * 5", time(2026, 11, 27, 4, 30), time(2026, 12, 1, 4, 30)),
        ("0 0 1 1 * 2030", time(2026, 1, 1), time(2030, 1, 1)),
        ("0 0 1 1 * 2020-2022,2100", time(2022, 1, 1), time(2100, 1, 1)),
        ("0 0 1 1 * 2020", time(2026, 1, 1), nil),
        ("0 0 1 1 * 1970/50", time(2026, 1, 1), time(2070, 1, 1)),
        ("59 23 31 12 * 2100", time(2100, 12, 31, 23, 59), nil),
        ("0 0 1 JAN,december *", time(2026, 1, 1), time(2026, 12, 1)),
        ("@hourly", time(2026, 1, 1, 5, 30), time(2026, 1, 1, 6)),
        ("@daily", time(2026, 1, 1, 5), time(2026, 1, 2)),
        ("@midnight", time(2026, 1, 1, 5), time(2026, 1, 2)),
        ("@weekly", time(2026, 11, 22), time(2026, 11, 29)),
        ("@monthly", time(2026, 1, 1), time(2026, 2, 1)),
        ("@yearly", time(2026, 1, 1), time(2027, 1, 1)),
        (" @Annually ", time(2026, 1, 1), time(2027, 1, 1)),
        ("0 0 1 1 *", time(-4000, 1, 1), time(-3999, 1, 1)),
    ]
    for (text, after, expected) in cases {
        #expect(schedule(text)?.next(after: after) == expected, "\(text) after \(after)")
        guard let instant = after.utc else { continue }
        #expect(schedule(text)?.next(after: instant) == expected?.utc, "\(text) after \(after)")
        // The seconds within the minute do not matter, and a tick is not its own successor.
        let late = Timestamp(rawValue: instant.rawValue + 59_999_999)
        #expect(schedule(text)?.next(after: late) == expected?.utc, "\(text) late in the minute of \(after)")
    }
    #expect(schedule("* * * * *")?.next(after: Timestamp(rawValue: -1)) == Timestamp(rawValue: 0))
    #expect(schedule("* * * * *")?.next(after: Timestamp.latest) == nil)
    #expect(schedule("* * * * *")?.next(after: Timestamp(rawValue: .max)) == nil)
    #expect(schedule("* * * * *")?.next(after: Timestamp(rawValue: .min)) == nil)
}

/// A day field that begins with a star is not restricted, whatever step follows: both must match then.
@Test func cronStarWithStep() throws {
    let cases: [(String, LocalDateTime, LocalDateTime?)] = [
        // 2026-01-01 is a Thursday: odd days that are Mondays.
        ("0 0 */2 * 1", time(2026, 1, 1), time(2026, 1, 5)),
        ("0 0 */2 * 1", time(2026, 1, 5), time(2026, 1, 19)),
        ("0 0 ?/2 * 1", time(2026, 1, 5), time(2026, 1, 19)),
        // Thirteenths on a Sunday, Wednesday or Saturday, and Mondays or thirteenths.
        ("0 0 13 * */3", time(2026, 1, 1), time(2026, 5, 13)),
        ("0 0 13 * 1", time(2026, 1, 5), time(2026, 1, 12)),
        // As in cronie a star that does not begin the field restricts, though to every day.
        ("0 0 5,* * 1", time(2026, 1, 5), time(2026, 1, 6)),
        ("0 0 29 2 */7", time(2088, 3, 1), time(2128, 2, 29)),
        ("0 0 29 2 */7 2024-2051", time(2026, 1, 1), time(2032, 2, 29)),
    ]
    for (text, after, expected) in cases {
        #expect(schedule(text)?.next(after: after) == expected, "\(text) after \(after)")
    }
    #expect(schedule("0 0 29 2 */7 2033-2051") == nil)
    // No leap day of a weekday is more than forty years away.
    let sundays = try #require(schedule("0 0 29 2 */7"))
    var day = time(2000, 1, 1)
    var gaps: [Int] = []
    while day.year < 2400, let next = sundays.next(after: day) {
        gaps.append(next.year - day.year)
        day = next
    }
    #expect(day.year >= 2400 && gaps.max() == 40)
}

/// Texts that are the same expression, and texts that are none.
@Test func cronSyntax() {
    let equal: [(String, String)] = [
        (" 1 , 2\t* * * * ", "1,2 * * * *"), ("1 - 5 * * * *", "1-5 * * * *"),
        ("01,002 * * * *", "1,2 * * * *"),
        ("*/1 * * * *", "* * * * *"), ("\n0 0 * * *\r\n", "0 0 * * *"), ("0 0 * * 0-6", "0 0 * * 0-6"),
        ("0-10/5 * * * *", "0,5,10 * * * *"), ("0 0 * JAN-MAR/2 *", "0 0 * 1,3 *"),
        ("0 0 * * 7,1", "0 0 * * 0,1"),
        ("0 0 * * 1/2", "0 0 * * 1,3,5"), ("0 0 * * MONDAY", "0 0 * * mon"),
        ("0 0 1-31/15 * *", "0 0 1,16,31 * *"),
        ("0 0 * * * *", "0 0 * * *"), ("0 0 * * 7/2", "0 0 * * 0"), ("55/59 * * * *", "55 * * * *"),
    ]
    for (first, second) in equal {
        #expect(schedule(first) != nil && schedule(first) == schedule(second), "\(first) and \(second)")
    }
    let invalid = [
        "", " ", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *", "* * * * 8", "* * * * * 1969", "* * * * * 2101", "*/0 * * * *", "*/60 * * * *",
        "* */24 * * *",
        "* * * * */8", "5-1 * * * *", "* * * * SAT-SUN", "* * * NOV-FEB *", "* * * JAN-3 *", "* * * 1-MAR *",
        "* * * JAN/2 *", "? * * * *", "* ? * * *", "* * * ? *", "a * * * *", "1,,2 * * * *", ",1 * * * *",
        "1- * * * *",
        "-1 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "1/ * * * *", "/2 * * * *", "* * * sept *",
        "* * * * weds",
        "* * L * *", "* * 15W * *", "* * * * 5#2", "H * * * *", "@", "@reboot", "@daily *", "@every 5m",
        "+1 * * * *",
        "1.5 * * * *", "99999999999999999999 * * * *", "* * * * * * ", "*5 * * * *", "** * * * *",
        "* / 5 * * * *",
        "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 29 2 * 2023", "0 0 30-31 feb ?", "0 0 31 4 * 2024",
        String(repeating: "1,", count: 3000) + "1 * * * *",
    ].filter { $0 != "* * * * * * " }
    for text in invalid {
        do throws(CronError) {
            _ = try CronSchedule(Bytes(text.utf8))
            Issue.record("accepted: \(text)")
        } catch {
            let message = String(decoding: error.message, as: UTF8.self)
            #expect(
                message.hasPrefix("Invalid cron expression '\(text.prefix(190))"),
                "\(message)"
            )
        }
    }
}

/// Random expressions against a scan of every minute.
@Test func cronNextAgainstScan() {
    var random = SplitMix64(seed: 17)
    func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(random.next() % UInt64(range.count))
    }
    func field(_ range: ClosedRange<Int>) -> String {
        switch random.next() % 5 {
        case 0, 1: return "*"
        case 2: return "\(pick(range))"
        case 3: return "*/\(pick(max(1, range.lowerBound)...range.upperBound))"
        default: return "\(pick(range)),\(pick(range))"
        }
    }
    for seed in 0..<80 {
        let text = [field(0...59), field(0...23), field(1...31), field(1...12), field(0...7)].joined(
            separator: " "
        )
        guard let schedule = schedule(text) else { continue }
        var minute = time(2023 + pick(0...4), pick(1...12), pick(1...28), pick(0...23), pick(0...59))
        let found = schedule.next(after: minute)
        var scanned: LocalDateTime?
        for _ in 0..<3000 {
            guard let instant = minute.utc else { break }
            minute = LocalDateTime(utc: instant.advanced(byMicroseconds: 60_000_000))
            if matches(text, minute) {
                scanned = minute
                break
            }
        }
        if let scanned {
            #expect(found == scanned, "seed \(seed): \(text)")
        } else {
            #expect(
                found.map { ($0.utc ?? .latest) > (minute.utc ?? .latest) } ?? true,
                "seed \(seed): \(text)"
            )
        }
    }
}

// A reading of the five fields by another way: by text, for one minute.
private func matches(_ text: String, _ time: LocalDateTime) -> Bool {
    let fields = text.split(separator: " ").map(String.init)
    func holds(_ field: String, _ value: Int, _ start: Int) -> Bool {
        if field == "*" { return true }
        if field.hasPrefix("*/") { return (value - start) % (Int(field.dropFirst(2)) ?? 1) == 0 }
        return field.split(separator: ",").contains { Int($0) == value }
    }
    let number = CivilCalendar.dayNumber(year: time.year, month: time.month, day: time.day)
    let weekday = ((number + 6) % 7 + 7) % 7
    let byDay = holds(fields[2], time.day, 1)
    let byWeekday =
        holds(fields[4], weekday, 0) || (weekday == 0 && !fields[4].hasPrefix("*") && holds(fields[4], 7, 0))
    let isEither = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    return holds(fields[0], time.minute, 0) && holds(fields[1], time.hour, 0)
        && holds(fields[3], time.month, 1)
        && (isEither ? byDay || byWeekday : byDay && byWeekday)
}
