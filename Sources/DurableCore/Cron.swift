// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Why a text is no cron expression.
public struct CronError: Error, Hashable, Sendable {
    /// The whole message for the user.
    public var message: Bytes
    /// What exactly is wrong, where the message does not say it.
    public var detail: Bytes?

    /// 22023, invalid_parameter_value.
    public var sqlstate: Bytes { Bytes("22023".utf8) }
}

/// A parsed cron expression.
///
/// Five fields (minute, hour, day of month, month, day of week) and an optional sixth (year, 1970 to 2100),
/// or one of the `@hourly` family. Weekdays count from 0 = Sunday, 7 is Sunday too. When both day fields
/// are restricted, a day that matches either fires; one that begins with `*` is not, though it may be a part of the
/// days (`*/2`), and then both must match. An expression that no date can ever match does not
/// parse; one whose years are all past does, and has no next tick.
public struct CronSchedule: Hashable, Sendable {
    // Bit n stands for value n.
    var minutes: UInt64 = 0
    var hours: UInt64 = 0
    var days: UInt64 = 0
    var months: UInt64 = 0
    var weekdays: UInt64 = 0
    /// Sorted; nil is every year.
    var years: [Int]?
    /// False for what begins with `*` or `?`.
    var areDaysRestricted = false
    var areWeekdaysRestricted = false

    /// Parses `text`.
    public init(_ text: Bytes) throws(CronError) {
        do {
            try CronParser(text).parse(into: &self)
        } catch {
            throw Self.error(text, "\(error.reason)")
        }
        guard canFire else {
            throw Self.error(text, "it can never fire, no month of these has such a day")
        }
    }

    /// The original says the same of every expression; the reason is in the detail.
    static func error(_ text: Bytes, _ reason: ByteText) -> CronError {
        let message: ByteText =
            "Invalid cron expression '\(quoting: text)': Invalid expression: Invalid cron expression."
        let detail: ByteText = "The reason: \(reason.bytes)."
        return CronError(message: message.bytes, detail: detail.bytes)
    }
}

extension CronSchedule {
    /// The first tick strictly after `instant` on a clock set to UTC, or nil when there is none.
    public func next(after instant: Timestamp) -> Timestamp? {
        next(after: LocalDateTime(utc: instant))?.utc
    }

    /// The first tick strictly after `time` on any clock that shows civil time, or nil when there is none.
    ///
    /// Whether that time exists, or exists twice, on the clock of a zone is the caller's to decide.
    public func next(after time: LocalDateTime) -> LocalDateTime? {
        guard CivilCalendar.years.contains(time.year), (1...12).contains(time.month),
            (1...31).contains(time.day), (0...23).contains(time.hour), (0...59).contains(time.minute)
        else { return nil }
        var next = time
        next.second = 0
        next.microsecond = 0
        if isTickDay(year: time.year, month: time.month, day: time.day),
            let (hour, minute) = tick(afterHour: time.hour, minute: time.minute)
        {
            next.hour = hour
            next.minute = minute
            return next
        }
        guard let date = tickDay(after: time) else { return nil }
        (next.year, next.month, next.day) = date
        next.hour = hours.trailingZeroBitCount
        next.minute = minutes.trailingZeroBitCount
        return next
    }

    // The first tick of the same day strictly after a minute.
    private func tick(afterHour hour: Int, minute: Int) -> (hour: Int, minute: Int)? {
        if hours.hasBit(hour), let next = minutes.firstBit(from: minute + 1) { return (hour, next) }
        guard let next = hours.firstBit(from: hour + 1) else { return nil }
        return (next, minutes.trailingZeroBitCount)
    }

    // The first day with ticks strictly after a day.
    private func tickDay(after time: LocalDateTime) -> (year: Int, month: Int, day: Int)? {
        // Without a year field the longest wait is for a 29 February of a certain weekday across a century: forty
        // years.
        let lastYear = min(years?.last ?? time.year + 40, CivilCalendar.years.upperBound)
        var year = time.year
        var month = time.month
        var day = time.day + 1
        while let candidate = firstYear(from: year), candidate <= lastYear {
            if candidate != year { (year, month, day) = (candidate, 1, 1) }
            while let candidate = months.firstBit(from: month), candidate <= 12 {
                if candidate != month { (month, day) = (candidate, 1) }
                if let found = tickDay(inMonth: month, ofYear: year, from: day) {
                    return (year, month, found)
                }
                month += 1
                day = 1
            }
            (year, month, day) = (year + 1, 1, 1)
        }
        return nil
    }

    private func tickDay(inMonth month: Int, ofYear year: Int, from day: Int) -> Int? {
        let last = CivilCalendar.days(inMonth: month, ofYear: year)
        guard day <= last else { return nil }
        return (day...last).first { isTickDate(year: year, month: month, day: $0) }
    }

    private func firstYear(from year: Int) -> Int? {
        guard let years else { return year }
        return years.first { $0 >= year }
    }

    private func isTickDay(year: Int, month: Int, day: Int) -> Bool {
        guard (1...12).contains(month), CivilCalendar.years.contains(year),
            (1...CivilCalendar.days(inMonth: month, ofYear: year)).contains(day)
        else { return false }
        return months.hasBit(month) && years?.contains(year) ?? true
            && isTickDate(year: year, month: month, day: day)
    }

    // The rule of the two day fields alone.
    private func isTickDate(year: Int, month: Int, day: Int) -> Bool {
        let number = CivilCalendar.dayNumber(year: year, month: month, day: day)
        let byDay = days.hasBit(day)
        let byWeekday = weekdays.hasBit(CivilCalendar.weekday(ofDay: number))
        return areDaysRestricted && areWeekdaysRestricted ? byDay || byWeekday : byDay && byWeekday
    }

    // Whether some month of some year has such a day. In four centuries each date falls on each weekday; in a list of
    // years it need not.
    private var canFire: Bool {
        if areWeekdaysRestricted && areDaysRestricted { return true }
        if let years, weekdays != 0x7F {
            return years.contains { year in
                (1...12).contains { months.hasBit($0) && tickDay(inMonth: $0, ofYear: year, from: 1) != nil }
            }
        }
        return (1...12).contains { month in
            guard months.hasBit(month) else { return false }
            let hasLeapDay = years?.contains(where: CivilCalendar.isLeap) ?? true
            let longest = CivilCalendar.days(inMonth: month, ofYear: hasLeapDay ? 2000 : 2001)
            return days.trailingZeroBitCount <= longest
        }
    }
}

extension UInt64 {
    fileprivate func hasBit(_ bit: Int) -> Bool { bit >= 0 && bit < 64 && self >> UInt64(bit) & 1 == 1 }

    // The lowest bit that is set, from `bit` on.
    fileprivate func firstBit(from bit: Int) -> Int? {
        guard bit >= 0, bit < 64 else { return nil }
        let rest = self & (UInt64.max << UInt64(bit))
        return rest == 0 ? nil : rest.trailingZeroBitCount
    }
}
