// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

extension JSONDocument {
    /// Whether the server's type numeric can hold every number in the text, as its jsonb wants it.
    ///
    /// At most 131072 digits before the point and 16383 after it.
    var hasStorableNumbers: Bool {
        tape.allSatisfy {
            $0.kind != .number || JSONDocument.isStorable(text[Int($0.start)..<Int($0.end)])
        }
    }

    private static func isStorable(_ number: ArraySlice<UInt8>) -> Bool {
        var whole = 0
        var fraction = 0
        var isFraction = false
        // How many digits stand before the point from the first on that is not 0; negative below it.
        var leading: Int?
        var rest = number
        while let byte = rest.first, byte | 0x20 != UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: ".") { isFraction = true }
            guard SQLByte.isDigit(byte) else { continue }
            if byte != UInt8(ascii: "0"), leading == nil { leading = isFraction ? -fraction : 0 }
            if isFraction { fraction += 1 } else if leading != nil { whole += 1 }
        }
        var exponent = 0
        let mantissaSign = rest.dropFirst().first
        for byte in rest where SQLByte.isDigit(byte) {
            exponent = min(exponent * 10 + Int(byte - UInt8(ascii: "0")), 1 << 40)
        }
        if mantissaSign == UInt8(ascii: "-") { exponent = -exponent }
        guard abs(exponent) < 1_000_000, fraction - exponent <= 16_383 else { return false }
        guard let leading else { return true }
        return (leading < 0 ? leading : whole) + exponent <= 131_072
    }
}
