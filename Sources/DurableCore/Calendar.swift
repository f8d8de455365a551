// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// A date and time of day on a wall clock, without a zone: proleptic Gregorian, astronomical years.
public struct LocalDateTime: Hashable, Sendable {
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int
    public var hour: Int
    public var minute: Int
    public var second: Int
    public var microsecond: Int

    public init(
        year: Int,
        month: Int,
        day: Int,
        hour: Int = 0,
        minute: Int = 0,
        second: Int = 0,
        microsecond: Int = 0
    ) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
        self.microsecond = microsecond
    }

    /// What a clock set to UTC shows at `timestamp`.
    public init(utc timestamp: Timestamp) {
        let (days, ofDay) = CivilCalendar.divide(timestamp.rawValue, by: CivilCalendar.microsecondsPerDay)
        self.init(dayNumber: Int(days))
        let seconds = Int(ofDay / 1_000_000)
        hour = seconds / 3600
        minute = seconds / 60 % 60
        second = seconds % 60
        microsecond = Int(ofDay % 1_000_000)
    }

    /// Midnight of a day, counted from 2000-01-01 = 0.
    public init(dayNumber: Int) {
        // Counted in eras of 400 years that begin on 1 March, so that the leap day is a year's last.
        let (era, ofEra) = CivilCalendar.divide(Int64(dayNumber) &+ 730_425, by: 146_097)
        let day = Int(ofEra)
        let yearOfEra = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        self.init(
            year: Int(era) &* 400 &+ yearOfEra &+ (month <= 2 ? 1 : 0),
            month: month,
            day: dayOfYear - (153 * shifted + 2) / 5 + 1
        )
    }

    /// The instant at which a clock set to UTC shows this, or nil when no field makes sense or no timestamp
    /// holds it.
    public var utc: Timestamp? {
        guard CivilCalendar.years.contains(year), (1...12).contains(month),
            (1...CivilCalendar.days(inMonth: month, ofYear: year)).contains(day),
            (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second),
            (0...999_999).contains(microsecond)
        else { return nil }
        let days = Int64(CivilCalendar.dayNumber(year: year, month: month, day: day))
        let seconds = Int64(hour * 3600 + minute * 60 + second)
        let (scaled, overflow) = days.multipliedReportingOverflow(by: CivilCalendar.microsecondsPerDay)
        let (sum, carry) = scaled.addingReportingOverflow(seconds * 1_000_000 + Int64(microsecond))
        let timestamp = Timestamp(rawValue: sum)
        guard !overflow, !carry, timestamp >= .earliest, timestamp <= .latest else { return nil }
        return timestamp
    }
}

/// Arithmetic of the proleptic Gregorian calendar.
enum CivilCalendar {
    static let microsecondsPerDay: Int64 = 86_400_000_000

    /// The years a timestamp can fall into.
    static let years = -4713...294_276

    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// The length of a month, 31 when there is no such month.
    static func days(inMonth month: Int, ofYear year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: isLeap(year) ? 29 : 28
        default: 31
        }
    }

    /// Days from 2000-01-01 to a date whose fields are in range.
    static func dayNumber(year: Int, month: Int, day: Int) -> Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = divide(Int64(shiftedYear), by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let ofEra = Int(yearOfEra)
        return Int(era) * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + dayOfYear - 730_425
    }

    /// The weekday of a day counted from 2000-01-01; 0 is Sunday.
    static func weekday(ofDay dayNumber: Int) -> Int {
        let remainder = (dayNumber % 7 + 6) % 7
        return remainder < 0 ? remainder + 7 : remainder
    }

    /// Division that rounds down, for a positive divisor.
    static func divide(_ dividend: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
