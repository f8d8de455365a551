// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
public enum Base64 {
    private static let alphabet = Bytes(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
    )

    /// Without line breaks.
    public static func encode(_ bytes: Bytes) -> Bytes {
        var out = Bytes()
        out.reserveCapacity((bytes.count / 3 + 1) * 4)
        var i = 0
        while i < bytes.count {
            let (a, b, c) = (
                bytes[i], i + 1 < bytes.count ? bytes[i + 1] : 0, i + 2 < bytes.count ? bytes[i + 2] : 0
            )
            out.append(alphabet[Int(a >> 2)])
            out.append(alphabet[Int((a & 3) << 4 | b >> 4)])
            out.append(i + 1 < bytes.count ? alphabet[Int((b & 15) << 2 | c >> 6)] : UInt8(ascii: "="))
            out.append(i + 2 < bytes.count ? alphabet[Int(c & 63)] : UInt8(ascii: "="))
            i += 3
        }
        return out
    }

    /// Why a text is no base64.
    public struct Fault: Error, Hashable, Sendable {
        /// "Invalid symbol 33, offset 0." or "Invalid padding".
        public var text: Bytes
    }

    /// Blanks (ASCII) between the symbols are skipped; padding is required.
    public static func decode(_ text: Bytes) throws(Fault) -> Bytes {
        var out = Bytes()
        out.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for (offset, byte) in text.enumerated() {
            if byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) { continue }
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(byte) else {
                throw Fault(text: Bytes("Invalid symbol \(byte), offset \(offset).".utf8))
            }
            bits = bits << 6 | UInt32(value)
            count += 1
            if count % 4 == 0 {
                out.append(UInt8(truncatingIfNeeded: bits >> 16))
                out.append(UInt8(truncatingIfNeeded: bits >> 8))
                out.append(UInt8(truncatingIfNeeded: bits))
                bits = 0
            }
        }
        let left = count % 4
        guard left != 1, padding == (left == 0 ? 0 : 4 - left) else {
            throw Fault(text: Bytes("Invalid padding".utf8))
        }
        if left == 2 { out.append(UInt8(truncatingIfNeeded: bits >> 4)) }
        if left == 3 {
            out.append(UInt8(truncatingIfNeeded: bits >> 10))
            out.append(UInt8(truncatingIfNeeded: bits >> 2))
        }
        return out
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
