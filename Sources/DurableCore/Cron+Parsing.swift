// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// Reads the text of a cron expression into the fields of a schedule.
struct CronParser {
    struct Failure: Error {
        var reason: Bytes
    }

    private let text: Bytes

    init(_ text: Bytes) { self.text = text }

    // A list may repeat its values; nobody needs more than this.
    private static let lengthMax = 4096

    func parse(into schedule: inout CronSchedule) throws(Failure) {
        guard text.count <= Self.lengthMax else { throw failure("longer than \(Self.lengthMax) bytes") }
        var fields = Self.fields(of: text)
        if let first = fields.first, first.first == UInt8(ascii: "@") {
            guard fields.count == 1, let expansion = Self.nickname(first) else {
                throw failure("unknown nickname \"", first, "\"")
            }
            fields = Self.fields(of: Bytes(expansion.utf8))
        }
        guard fields.count == 5 || fields.count == 6 else {
            throw failure("expected 5 or 6 fields, found \(fields.count)")
        }
        schedule.minutes = try set(fields[0], .minute)
        schedule.hours = try set(fields[1], .hour)
        schedule.days = try set(fields[2], .day)
        schedule.months = try set(fields[3], .month)
        let weekdays = try set(fields[4], .weekday)
        schedule.weekdays = (weekdays | weekdays >> 7) & 0x7F
        schedule.areDaysRestricted = !Self.hasStar(fields[2])
        schedule.areWeekdaysRestricted = !Self.hasStar(fields[4])
        if fields.count == 6, !Self.hasWildcard(fields[5]) {
            var seen = [Bool](repeating: false, count: CronField.year.range.count)
            try collect(fields[5], .year) { seen[$0 - CronField.year.range.lowerBound] = true }
            schedule.years = CronField.year.range.filter { seen[$0 - CronField.year.range.lowerBound] }
        }
    }

    // Splits at blanks; those around a comma or a hyphen belong to the field.
    private static func fields(of text: Bytes) -> [Bytes] {
        var fields: [Bytes] = []
        var current = Bytes()
        var isPending = false
        for byte in text {
            if byte == 0x20 || (0x09...0x0D).contains(byte) {
                isPending = true
                continue
            }
            if isPending, let last = current.last, !isJoint(last), !isJoint(byte) {
                fields.append(current)
                current = []
            }
            isPending = false
            current.append(byte)
        }
        if !current.isEmpty { fields.append(current) }
        return fields
    }

    private static func isJoint(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "-")
    }

    // The rule of Vixie's cron and its heirs, by the first character alone.
    private static func hasStar(_ field: Bytes) -> Bool {
        field.first == UInt8(ascii: "*") || field.first == UInt8(ascii: "?")
    }

    // `*` or `?` somewhere in the list: the field does not restrict anything.
    private static func hasWildcard(_ field: Bytes) -> Bool {
        split(field, at: UInt8(ascii: ",")).contains { item in
            item == [UInt8(ascii: "*")] || item == [UInt8(ascii: "?")]
        }
    }

    private static func split(_ text: Bytes, at separator: UInt8) -> [Bytes] {
        text.split(separator: separator, omittingEmptySubsequences: false).map { Bytes($0) }
    }

    private static func nickname(_ word: Bytes) -> String? {
        switch String(decoding: word.map(CronField.lowercased), as: UTF8.self) {
        case "@hourly": "0 * * * *"
        case "@daily", "@midnight": "0 0 * * *"
        case "@weekly": "0 0 * * 0"
        case "@monthly": "0 0 1 * *"
        case "@yearly", "@annually": "0 0 1 1 *"
        default: nil
        }
    }

    private func set(_ field: Bytes, _ kind: CronField) throws(Failure) -> UInt64 {
        var bits: UInt64 = 0
        try collect(field, kind) { bits |= 1 << UInt64($0) }
        return bits
    }

    // Calls `body` with every value of the list.
    private func collect(_ field: Bytes, _ kind: CronField, _ body: (Int) -> Void) throws(Failure) {
        for item in Self.split(field, at: UInt8(ascii: ",")) {
            let parts = Self.split(item, at: UInt8(ascii: "/"))
            guard parts.count <= 2, let base = parts.first, !base.isEmpty else { throw invalid(item, kind) }
            let span = try self.span(base, kind, item: item)
            guard parts.count == 2 else {
                for value in span.range { body(value) }
                continue
            }
            guard span.allowsStep else {
                throw failure("a step needs a range or a number in the \(kind.title) field: \"", item, "\"")
            }
            guard let step = Self.number(parts[1]), step >= 1, step <= kind.range.upperBound else {
                throw failure("step out of range in the \(kind.title) field: \"", item, "\"")
            }
            let upper = span.isSingle ? max(kind.stepEnd, span.range.lowerBound) : span.range.upperBound
            for value in stride(from: span.range.lowerBound, through: upper, by: step) { body(value) }
        }
    }

    private struct Span {
        var range: ClosedRange<Int>
        var isSingle = false
        var allowsStep = true
    }

    private func span(_ base: Bytes, _ kind: CronField, item: Bytes) throws(Failure) -> Span {
        if base == [UInt8(ascii: "*")] || (base == [UInt8(ascii: "?")] && kind.allowsQuestionMark) {
            return Span(range: kind.range.lowerBound...kind.stepEnd)
        }
        let ends = Self.split(base, at: UInt8(ascii: "-"))
        var values: [Int] = []
        var names = 0
        for end in ends {
            if let value = kind.value(ofName: end) {
                values.append(value)
                names += 1
            } else if let value = Self.number(end) {
                guard kind.range.contains(value) else {
                    let bounds = "\(kind.range.lowerBound) to \(kind.range.upperBound)"
                    throw failure("value out of range (\(bounds)) in the \(kind.title) field: \"", item, "\"")
                }
                values.append(value)
            } else {
                throw invalid(item, kind)
            }
        }
        if values.count == 1 {
            return Span(range: values[0]...values[0], isSingle: true, allowsStep: names == 0)
        }
        guard values.count == 2, names != 1 else { throw invalid(item, kind) }
        guard values[0] <= values[1] else {
            throw failure("range ends before it begins in the \(kind.title) field: \"", item, "\"")
        }
        return Span(range: values[0]...values[1])
    }

    // Digits only; nil for anything else and for what no field could hold.
    private static func number(_ text: Bytes) -> Int? {
        guard !text.isEmpty else { return nil }
        var value = 0
        for byte in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1_000_000)
        }
        return value
    }

    private func invalid(_ item: Bytes, _ kind: CronField) -> Failure {
        failure("invalid \(kind.title) field: \"", item, "\"")
    }

    private func failure(_ start: String, _ quoted: Bytes = [], _ end: String = "") -> Failure {
        Failure(reason: Bytes(start.utf8) + quoted + Bytes(end.utf8))
    }
}

/// One field of a cron expression: its bounds and names.
enum CronField {
    case minute, hour, day, month, weekday, year

    var range: ClosedRange<Int> {
        switch self {
        case .minute: 0...59
        case .hour: 0...23
        case .day: 1...31
        case .month: 1...12
        case .weekday: 0...7
        case .year: 1970...2100
        }
    }

    /// Where `*` and `a/n` end: Sunday is counted once.
    var stepEnd: Int { self == .weekday ? 6 : range.upperBound }

    var allowsQuestionMark: Bool { self == .day || self == .weekday }

    var title: String {
        switch self {
        case .minute: "minute"
        case .hour: "hour"
        case .day: "day-of-month"
        case .month: "month"
        case .weekday: "day-of-week"
        case .year: "year"
        }
    }

    /// The number of a month or weekday called by its name, in any letter case.
    func value(ofName name: Bytes) -> Int? {
        guard name.count >= 3, name.count <= 9 else { return nil }
        let word = name.map(Self.lowercased)
        let table: [StaticString]
        switch self {
        case .month: table = Self.months
        case .weekday: table = Self.weekdays
        default: return nil
        }
        for (index, full) in table.enumerated() {
            let letters = UnsafeBufferPointer(start: full.utf8Start, count: full.utf8CodeUnitCount)
            let isShort = word.count == 3 || (self == .weekday && Self.isLongerShortForm(word))
            if letters.elementsEqual(word) || (isShort && letters.starts(with: word)) {
                return self == .month ? index + 1 : index
            }
        }
        return nil
    }

    // The two four- and five-letter forms that are in common use.
    private static func isLongerShortForm(_ word: Bytes) -> Bool {
        word == Bytes("tues".utf8) || word == Bytes("thurs".utf8)
    }

    static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static let months: [StaticString] = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december",
    ]
    private static let weekdays: [StaticString] = [
        "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
    ]
}
