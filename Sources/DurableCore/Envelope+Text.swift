// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Text put together from literals and bytes, as `"… '\(bytes)' …"`, without a detour over String.
struct ByteText: ExpressibleByStringInterpolation {
    var bytes: Bytes

    init(stringLiteral value: String) { bytes = Bytes(value.utf8) }
    init(stringInterpolation: StringInterpolation) { bytes = stringInterpolation.bytes }

    struct StringInterpolation: StringInterpolationProtocol {
        var bytes = Bytes()

        init(literalCapacity: Int, interpolationCount: Int) {
            bytes.reserveCapacity(literalCapacity + interpolationCount * 16)
        }

        mutating func appendLiteral(_ literal: String) { bytes.append(contentsOf: literal.utf8) }
        mutating func appendInterpolation(_ value: Bytes) { bytes.append(contentsOf: value) }
        mutating func appendInterpolation(_ value: String) { bytes.append(contentsOf: value.utf8) }
        mutating func appendInterpolation(_ value: some BinaryInteger) {
            bytes.append(contentsOf: String(value).utf8)
        }

        /// Text of a user inside a message: cut when it is long.
        mutating func appendInterpolation(quoting value: Bytes) {
            bytes.append(contentsOf: UTF8Bytes.cut(value, above: 200, keeping: 197))
        }
    }
}

extension UTF8Bytes {
    /// How many characters (scalar values) `text` has; every malformed byte counts as one at most.
    static func characterCount(_ text: some Sequence<UInt8>) -> Int {
        text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
    }

    /// `text`, or its first `kept` characters and "..." when it has more than `most`; no character is split.
    static func cut(_ text: Bytes, above most: Int, keeping kept: Int) -> Bytes {
        guard text.count > most else { return text }
        var characters = 0
        var end = text.count
        for i in text.indices where text[i] & 0xC0 != 0x80 {
            if characters == kept { end = i }
            characters += 1
            if characters > most { return Bytes(text[..<end]) + Bytes("...".utf8) }
        }
        return text
    }

    /// Where the first byte stands that the server would not take in a text, or nil when there is none.
    ///
    /// Such are bytes that belong to no well-formed sequence, and zero.
    public static func malformedOffset(_ text: Bytes) -> Int? {
        var i = 0
        while i < text.count {
            if text[i] < 0x80 && text[i] > 0 {
                i += 1
                continue
            }
            if text[i] == 0 { return i }
            let length = sequenceLength(text, at: i)
            guard length > 0 else { return i }
            i += length
        }
        return nil
    }
}
