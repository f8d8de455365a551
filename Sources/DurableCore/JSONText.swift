// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Writing of JSON, and the spelling of its strings.
public enum JSONText {
    /// `text` as a JSON string literal: quote, backslash and control characters escaped, nothing else.
    public static func quote(_ text: Bytes) -> Bytes {
        var out = Bytes()
        out.reserveCapacity(text.count + 2)
        appendQuoted(text, to: &out)
        return out
    }

    /// The length of `quote(text)`.
    static func quotedCount(_ text: Bytes) -> Int {
        text.reduce(2) { count, byte in
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x08, 0x09, 0x0A, 0x0C, 0x0D: count + 2
            case 0..<0x20: count + 6
            default: count + 1
            }
        }
    }

    /// Appends `text` to `out` as a JSON string literal.
    public static func appendQuoted(_ text: some Sequence<UInt8>, to out: inout Bytes) {
        out.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                out.append(UInt8(ascii: "\\"))
                out.append(byte)
            case 0x08: out.append(contentsOf: "\\b".utf8)
            case 0x09: out.append(contentsOf: "\\t".utf8)
            case 0x0A: out.append(contentsOf: "\\n".utf8)
            case 0x0C: out.append(contentsOf: "\\f".utf8)
            case 0x0D: out.append(contentsOf: "\\r".utf8)
            case 0..<0x20:
                out.append(contentsOf: "\\u00".utf8)
                out.append(hexCharacter(byte >> 4))
                out.append(hexCharacter(byte & 15))
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    /// Appends the JSON text `text` to `out` without its blanks outside of strings; all else as it is spelled.
    static func appendCompacted(_ text: ArraySlice<UInt8>, to out: inout Bytes) {
        var run = text.startIndex
        var inString = false
        var isEscaped = false
        for (i, byte) in zip(text.indices, text) {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\"") {
                inString.toggle()
            } else if inString {
                isEscaped = byte == UInt8(ascii: "\\")
            } else if byte <= 0x20 {
                out.append(contentsOf: text[run..<i])
                run = i + 1
            }
        }
        out.append(contentsOf: text[run...])
    }

    /// The characters of a string literal's inside, whose escapes have been checked by the parser.
    static func unescape(_ inner: ArraySlice<UInt8>) -> Bytes {
        var out = Bytes()
        out.reserveCapacity(inner.count)
        var i = inner.startIndex
        while i < inner.endIndex {
            let byte = inner[i]
            i += 1
            guard byte == UInt8(ascii: "\\"), i < inner.endIndex else {
                out.append(byte)
                continue
            }
            if let plain = simpleEscape(inner[i]) {
                out.append(plain)
                i += 1
                continue
            }
            var scalar = codeUnit(inner, at: i + 1)
            i += 5
            if scalar >= 0xD800 && scalar < 0xDC00 {
                scalar =
                    0x10000 + (scalar - 0xD800) << 10 + (codeUnit(inner, at: i + 2) &- 0xDC00)
                    & 0x3FF
                i += 6
            }
            UTF8Bytes.append(scalar, to: &out)
        }
        return out
    }

    private static func codeUnit(_ text: ArraySlice<UInt8>, at start: Int) -> UInt32 {
        guard start >= text.startIndex, start + 4 <= text.endIndex else { return 0xFFFD }
        return text[start..<(start + 4)].reduce(0) { $0 << 4 | (hexDigit($1) ?? 0) }
    }

    /// The character that a backslash and `byte` stand for, when it is one of the two-character escapes.
    static func simpleEscape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: nil
        }
    }

    static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte &- UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte &- UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte &- UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    /// The lower-case hex digit of the low four bits of `value`.
    static func hexCharacter(_ value: UInt8) -> UInt8 {
        let digit = value & 15
        return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}

/// Builds one compact JSON object, members in the order they are given.
public struct JSONObjectWriter {
    private var out: Bytes = [UInt8(ascii: "{")]

    public init() {}

    /// Adds a member whose value is JSON text already.
    public mutating func member(_ key: String, raw value: some Sequence<UInt8>) {
        begin(key)
        out.append(contentsOf: value)
    }

    /// Adds a member whose value is JSON text already.
    public mutating func member(key: Bytes, raw value: some Sequence<UInt8>) {
        begin(key)
        out.append(contentsOf: value)
    }

    /// Adds a string, or null.
    public mutating func member(_ key: String, string value: Bytes?) {
        begin(key)
        if let value {
            JSONText.appendQuoted(value, to: &out)
        } else {
            out.append(contentsOf: "null".utf8)
        }
    }

    /// Adds an integer, or null.
    public mutating func member(_ key: String, integer value: Int64?) {
        begin(key)
        out.append(contentsOf: (value.map(String.init) ?? "null").utf8)
    }

    /// Adds a boolean.
    public mutating func member(_ key: String, bool value: Bool) {
        begin(key)
        out.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// The object so far; members added later show in the next call.
    public func finish() -> Bytes { out + [UInt8(ascii: "}")] }

    private mutating func begin(_ key: String) { begin(key.utf8) }

    private mutating func begin(_ key: some Sequence<UInt8>) {
        if out.count > 1 { out.append(UInt8(ascii: ",")) }
        JSONText.appendQuoted(key, to: &out)
        out.append(UInt8(ascii: ":"))
    }
}
