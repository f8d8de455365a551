// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Where a page of instances ended: the token that `df.list_instances` gives and takes.
///
/// Hexadecimal digits of `v1|<created_at>|<id>`, the time as `YYYY-MM-DDTHH:MI:SS.US` with an offset from UTC. The id
/// may be anything, since it only says where to go on.
public struct PageCursor: Hashable, Sendable {
    public var createdAt: Timestamp
    public var id: Bytes

    /// Longest token that is looked at.
    public static let digitsMax = 512

    public init(createdAt: Timestamp, id: Bytes) {
        self.createdAt = createdAt
        self.id = id
    }

    /// The token, with the time in UTC.
    public var token: Bytes {
        let text = Bytes("v1|".utf8) + PageCursor.print(createdAt) + [separator] + id
        var out: Bytes = []
        out.reserveCapacity(text.count * 2)
        for byte in text {
            out.append(JSONText.hexCharacter(byte >> 4))
            out.append(JSONText.hexCharacter(byte & 15))
        }
        return out
    }

    /// Reads a token; nil for anything that is none.
    public init?(token: Bytes) {
        guard token.count <= PageCursor.digitsMax, token.count.isMultiple(of: 2) else { return nil }
        var text: Bytes = []
        for i in stride(from: 0, to: token.count, by: 2) {
            guard let high = JSONText.hexDigit(token[i]), let low = JSONText.hexDigit(token[i + 1])
            else { return nil }
            text.append(UInt8(truncatingIfNeeded: high << 4 | low))
        }
        let parts = text.split(separator: separator, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].elementsEqual("v1".utf8), !parts[2].isEmpty,
            let time = PageCursor.read(Bytes(parts[1]))
        else { return nil }
        self.init(createdAt: time, id: Bytes(parts[2]))
    }

    private static func print(_ time: Timestamp) -> Bytes {
        let clock = LocalDateTime(utc: time)
        func digits(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        let date = "\(digits(clock.year, 4))-\(digits(clock.month, 2))-\(digits(clock.day, 2))"
        let ofDay = "\(digits(clock.hour, 2)):\(digits(clock.minute, 2)):\(digits(clock.second, 2))"
        return Bytes("\(date)T\(ofDay).\(digits(clock.microsecond, 6))+00".utf8)
    }

    /// `YYYY-MM-DDTHH:MI:SS[.US]` and an offset: `Z`, or a sign with hours and, where there are any, minutes, seconds.
    private static func read(_ text: Bytes) -> Timestamp? {
        var scanner = Digits(text)
        guard let year = scanner.number(4...6), scanner.take("-"), let month = scanner.number(2...2),
            scanner.take("-"), let day = scanner.number(2...2), scanner.take("T"),
            let hour = scanner.number(2...2), scanner.take(":"), let minute = scanner.number(2...2),
            scanner.take(":"), let second = scanner.number(2...2)
        else { return nil }
        var microsecond = 0
        if scanner.take(".") {
            let start = scanner.position
            guard let fraction = scanner.number(1...6) else { return nil }
            microsecond = (scanner.position - start..<6).reduce(fraction) { value, _ in value * 10 }
        }
        guard let offset = scanner.offset(), scanner.isAtEnd,
            let local = LocalDateTime(
                year: year,
                month: month,
                day: day,
                hour: hour,
                minute: minute,
                second: second,
                microsecond: microsecond
            ).utc
        else { return nil }
        return local.advanced(byMicroseconds: Int64(-offset) * 1_000_000)
    }
}

private let separator = UInt8(ascii: "|")

/// Reads numbers of a known width, and what stands between them.
private struct Digits {
    private let text: Bytes
    private(set) var position = 0

    init(_ text: Bytes) { self.text = text }

    var isAtEnd: Bool { position == text.count }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// As many digits as there are, if that is a width that is expected.
    mutating func number(_ width: ClosedRange<Int>) -> Int? {
        var value = 0
        var count = 0
        while position < text.count, count < width.upperBound, (0x30...0x39).contains(text[position]) {
            value = value * 10 + Int(text[position] - 0x30)
            position += 1
            count += 1
        }
        return width.contains(count) ? value : nil
    }

    /// Seconds to the east of UTC.
    mutating func offset() -> Int? {
        if take("Z") { return 0 }
        let isWest = take("-")
        guard isWest || take("+"), let hours = number(2...2), hours < 24 else { return nil }
        var seconds = hours * 3600
        for unit in [60, 1] where !isAtEnd {
            guard take(":"), let number = number(2...2), number < 60 else { return nil }
            seconds += number * unit
        }
        return isWest ? -seconds : seconds
    }
}
