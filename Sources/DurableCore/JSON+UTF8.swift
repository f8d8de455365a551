// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// UTF-8 on bytes.
public enum UTF8Bytes {
    /// The length of the well-formed sequence that begins at `start`, or 0 when there is none.
    public static func sequenceLength(_ text: Bytes, at start: Int) -> Int {
        guard start >= 0, start < text.count else { return 0 }
        let lead = text[start]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0..<0x80: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0:
            length = 3
            second = 0xA0...0xBF
        case 0xED:
            length = 3
            second = 0x80...0x9F
        case 0xE1...0xEF: length = 3
        case 0xF0:
            length = 4
            second = 0x90...0xBF
        case 0xF1...0xF3: length = 4
        case 0xF4:
            length = 4
            second = 0x80...0x8F
        default: return 0
        }
        guard text.count - start >= length, second.contains(text[start + 1]) else { return 0 }
        for i in (start + 2)..<max(start + length, start + 2) where text[i] & 0xC0 != 0x80 {
            return 0
        }
        return length
    }

    /// Appends the encoding of a scalar value; U+FFFD when it is none.
    public static func append(_ scalar: UInt32, to out: inout Bytes) {
        func tail(_ shift: UInt32) -> UInt8 {
            UInt8(truncatingIfNeeded: 0x80 | (scalar >> shift) & 0x3F)
        }
        switch scalar {
        case 0..<0x80:
            out.append(UInt8(truncatingIfNeeded: scalar))
        case 0x80..<0x800:
            out.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
            out.append(tail(0))
        case 0x800..<0xD800, 0xE000..<0x10000:
            out.append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
            out.append(tail(6))
            out.append(tail(0))
        case 0x10000..<0x110000:
            out.append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
            out.append(tail(12))
            out.append(tail(6))
            out.append(tail(0))
        default:
            out.append(contentsOf: [0xEF, 0xBF, 0xBD])
        }
    }
}
