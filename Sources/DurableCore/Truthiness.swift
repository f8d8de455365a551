// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What counts as true in the condition of an IF or a LOOP.
public enum Truthiness {
    /// Tests a node's value, given as JSON text; a text that is not JSON is false, one beyond a limit of the parser is
    /// an error.
    ///
    /// A value with a `rows` array stands for the first column of its first row, and is false without rows;
    /// anything else is tested as a whole. Strings are read as words, then as numbers.
    public static func test(
        _ json: Bytes,
        valuesMax: Int = JSONDocument.valuesUsual
    ) throws(JSONError) -> Bool {
        do throws(JSONError) {
            return test(result: try JSONDocument(json, valuesMax: valuesMax).root)
        } catch {
            if error.isLimit { throw error }
            return false
        }
    }

    /// Tests a node's value.
    public static func test(result: JSONValue) -> Bool {
        guard let rows = result[Bytes("rows".utf8)], rows.kind == .array else { return test(value: result) }
        var iterator = rows.elements.makeIterator()
        guard let row = iterator.next() else { return false }
        var columns = row.members.makeIterator()
        guard let first = columns.next() else { return true }
        return test(value: first.value)
    }

    private static func test(value: JSONValue) -> Bool {
        switch value.kind {
        case .null: false
        case .bool: value.boolValue ?? false
        case .number: !DecimalText.isZero(value.raw[...])
        case .array, .object: value.count > 0
        case .string: test(word: value.string ?? [])
        }
    }

    private static func test(word: Bytes) -> Bool {
        let trimmed = UnicodeBlanks.trim(word[...])
        if trimmed.isEmpty { return false }
        if trimmed.count <= 8 {
            switch String(decoding: trimmed.map(CronField.lowercased), as: UTF8.self) {
            case "true", "t", "yes": return true
            case "false", "f", "no": return false
            default: break
            }
        }
        return !(DecimalText.isNumber(trimmed) && DecimalText.isZero(trimmed))
    }
}

/// Numbers in decimal notation, read only as far as needed to tell zero from the rest.
private enum DecimalText {
    /// Whether this is a sign, digits with at most one point, and an exponent, as a whole.
    static func isNumber(_ text: ArraySlice<UInt8>) -> Bool {
        var rest = text
        if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
            rest = rest.dropFirst()
        }
        let whole = rest.prefix(while: SQLByte.isDigit)
        rest = rest.dropFirst(whole.count)
        var fraction = rest.prefix(0)
        if rest.first == UInt8(ascii: ".") {
            fraction = rest.dropFirst().prefix(while: SQLByte.isDigit)
            rest = rest.dropFirst(fraction.count + 1)
        }
        guard whole.count + fraction.count > 0 else { return false }
        guard let mark = rest.first else { return true }
        guard mark | 0x20 == UInt8(ascii: "e") else { return false }
        rest = rest.dropFirst()
        if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
            rest = rest.dropFirst()
        }
        return !rest.isEmpty && rest.allSatisfy(SQLByte.isDigit)
    }

    /// Whether the nearest double of a number is zero.
    static func isZero(_ text: ArraySlice<UInt8>) -> Bool {
        // The power of ten of the first digit that is not 0, before the exponent is added.
        var magnitude: Int?
        var wholeDigits = 0
        var fractionDigits = 0
        var isFraction = false
        var rest = text
        while let byte = rest.first, byte | 0x20 != UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: ".") { isFraction = true }
            guard SQLByte.isDigit(byte) else { continue }
            if isFraction { fractionDigits += 1 } else if magnitude != nil { wholeDigits += 1 }
            if byte != UInt8(ascii: "0"), magnitude == nil { magnitude = -fractionDigits }
        }
        guard let magnitude else { return true }
        let exponent = magnitude + wholeDigits + exponentValue(rest.dropFirst())
        if exponent < -330 { return true }
        if exponent > -320 { return false }
        return Double(String(decoding: text, as: UTF8.self)) == 0
    }

    private static func exponentValue(_ text: ArraySlice<UInt8>) -> Int {
        var value = 0
        for byte in text where SQLByte.isDigit(byte) {
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1 << 40)
        }
        return text.first == UInt8(ascii: "-") ? -value : value
    }
}

/// Unicode's White_Space characters in UTF-8.
private enum UnicodeBlanks {
    static func trim(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = text
        while true {
            let length = blankLength(rest.prefix(3))
            if length == 0 { break }
            rest = rest.dropFirst(length)
        }
        while let length = (1...3).first(where: { rest.count >= $0 && blankLength(rest.suffix($0)) == $0 }) {
            rest = rest.dropLast(length)
        }
        return rest
    }

    // The length of the blank a text begins with, 0 when it begins with something else.
    private static func blankLength(_ text: ArraySlice<UInt8>) -> Int {
        let bytes = Bytes(text)
        guard let first = bytes.first else { return 0 }
        if first == 0x20 || (0x09...0x0D).contains(first) { return 1 }
        guard bytes.count >= 2 else { return 0 }
        if first == 0xC2 { return bytes[1] == 0x85 || bytes[1] == 0xA0 ? 2 : 0 }
        guard bytes.count >= 3 else { return 0 }
        switch (first, bytes[1], bytes[2]) {
        case (0xE1, 0x9A, 0x80), (0xE3, 0x80, 0x80), (0xE2, 0x81, 0x9F): return 3
        case (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8), (0xE2, 0x80, 0xA9), (0xE2, 0x80, 0xAF): return 3
        default: return 0
        }
    }
}
