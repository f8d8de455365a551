// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// Dates of HTTP in the three forms that a recipient must know (RFC 9110, 5.6.7); all of them are in GMT.
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ].map { Bytes($0.utf8) }

    /// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" or "Sun Nov  6 08:49:37 1994".
    static func parse(_ text: Bytes) -> Timestamp? {
        guard text.count <= 64 else { return nil }
        let signs = Bytes(" ,:-".utf8)
        var words = text.split { signs.contains($0) }.map { Bytes($0) }
        if words.count == 7 {
            words = [words[0], words[2], words[1], words[6], words[3], words[4], words[5]]
        } else {
            guard words.count == 8, words.removeLast() == Bytes("GMT".utf8) else { return nil }
        }
        guard let month = months.firstIndex(of: words[2]), let day = number(words[1], 1...31),
            let year = year(words[3]), let hour = number(words[4], 0...23),
            let minute = number(words[5], 0...59), let second = number(words[6], 0...60)
        else { return nil }
        var time = LocalDateTime(utc: Timestamp(rawValue: 0))
        time.year = year
        time.month = month + 1
        time.day = day
        time.hour = hour
        time.minute = minute
        time.second = min(second, 59)
        return time.utc
    }

    /// Two digits mean the years from 1970 to 2069.
    private static func year(_ text: Bytes) -> Int? {
        if text.count == 2 { return number(text, 0...99).map { $0 < 70 ? 2000 + $0 : 1900 + $0 } }
        return number(text, 1970...9999)
    }

    private static func number(_ text: Bytes, _ range: ClosedRange<Int>) -> Int? {
        guard text.first != UInt8(ascii: "-"), let value = DecimalInteger.parse(text) else { return nil }
        let number = Int(clamping: value)
        return range.contains(number) ? number : nil
    }
}
