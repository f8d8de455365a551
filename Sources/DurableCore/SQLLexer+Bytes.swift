// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// The classes of bytes in the server's scanner.
enum SQLByte {
    static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0C || byte == 0x0D
    }

    static func isNewline(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    static func isDigit(_ byte: UInt8?) -> Bool { byte.map { isDigit($0) } ?? false }

    /// `[A-Za-z_]`.
    static func isNameStart(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return byte == UInt8(ascii: "_") || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z"))
    }

    /// `[A-Za-z0-9_]`.
    static func isNamePart(_ byte: UInt8) -> Bool { isNameStart(byte) || isDigit(byte) }

    static func isIdentifierStart(_ byte: UInt8) -> Bool { isNameStart(byte) || byte >= 0x80 }

    static func isIdentifierPart(_ byte: UInt8) -> Bool {
        isIdentifierStart(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
    }

    static func isOperator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
            UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: "<"),
            UInt8(ascii: ">"), UInt8(ascii: "="):
            true
        default: false
        }
    }
}

/// Where every dollar-quote delimiter of a text stands, so that finding the end of each quote stays linear.
struct DollarTags {
    private var positions: [Bytes: [Int]] = [:]

    init(of text: Bytes) {
        var i = 0
        while i < text.count {
            if text[i] == UInt8(ascii: "$"),
                let length = Self.delimiterLength(in: text, at: i, limit: text.count)
            {
                positions[Bytes(text[i..<(i + length)]), default: []].append(i)
                // The closing dollar may open the next delimiter.
                i += length - 1
            } else {
                i += 1
            }
        }
    }

    /// The first `delimiter` that lies whole between two positions.
    func first(_ delimiter: Bytes, from start: Int, limit: Int) -> Int? {
        guard let all = positions[delimiter] else { return nil }
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            if all[middle] < start { low = middle + 1 } else { high = middle }
        }
        guard low < all.count, all[low] + delimiter.count <= limit else { return nil }
        return all[low]
    }

    /// The length of the `$tag$` that begins at `start`, or nil when there is none.
    static func delimiterLength(in text: Bytes, at start: Int, limit: Int) -> Int? {
        var i = start + 1
        if i < limit, SQLByte.isDigit(text[i]) { return nil }
        while i < limit, SQLByte.isIdentifierStart(text[i]) || SQLByte.isDigit(text[i]) { i += 1 }
        return i < limit && text[i] == UInt8(ascii: "$") ? i + 1 - start : nil
    }
}
