// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Addresses: how they are written, and which of them are public.
///
/// Source of the ranges: the IANA registries of special-purpose addresses (RFC 6890 and its updates).
public enum HTTPAddress {
    /// Four decimal numbers without leading zeros and nothing else; other spellings are names here.
    static func parse4(_ text: ArraySlice<UInt8>) -> Bytes? {
        let words = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard words.count == 4 else { return nil }
        var address = Bytes()
        for word in words {
            guard (1...3).contains(word.count), word.count == 1 || word.first != UInt8(ascii: "0") else {
                return nil
            }
            var value = 0
            for byte in word {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            guard value <= 255 else { return nil }
            address.append(UInt8(value))
        }
        return address
    }

    /// An IPv6 address as RFC 4291 writes it, in lower case and without a zone.
    static func parse6(_ text: Bytes) -> Bytes? {
        guard text.count <= 45, text.contains(UInt8(ascii: ":")) else { return nil }
        var groups = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        // An end that is "::" splits into one empty word more than the gap that it is.
        if groups.first?.isEmpty == true {
            guard groups.count > 2, groups[1].isEmpty else { return nil }
            groups.removeFirst()
        }
        if groups.last?.isEmpty == true {
            guard groups.count > 1, groups[groups.count - 2].isEmpty || groups.count == 2 else { return nil }
            groups.removeLast()
        }
        var parts: [Bytes] = [[]]
        for (place, group) in groups.enumerated() {
            if group.isEmpty {
                guard parts.count == 1 else { return nil }
                parts.append([])
            } else if place == groups.count - 1, group.contains(UInt8(ascii: ".")) {
                guard let inner = parse4(group) else { return nil }
                parts[parts.count - 1] += inner
            } else {
                guard group.count <= 4 else { return nil }
                var value = 0
                for byte in group {
                    guard let digit = JSONText.hexDigit(byte) else { return nil }
                    value = value << 4 | Int(digit)
                }
                parts[parts.count - 1] += [UInt8(value >> 8), UInt8(value & 0xFF)]
            }
        }
        let written = parts.reduce(0) { $0 + $1.count }
        if parts.count == 1 { return written == 16 ? parts[0] : nil }
        guard written <= 14 else { return nil }
        return parts[0] + Bytes(repeating: 0, count: 16 - written) + parts[1]
    }

    /// The IPv4 address that a mapped (`::ffff:a.b.c.d`) or NAT64 (`64:ff9b::a.b.c.d`) address is another spelling of.
    static func carried(by address: Bytes) -> Bytes? {
        guard address.count == 16 else { return nil }
        let (a, b, c) = (word(address, 0), word(address, 4), word(address, 8))
        let isMapped = a == 0 && b == 0 && c == 0x0000_FFFF
        let isTranslated = a == 0x0064_FF9B && b == 0 && c == 0
        return isMapped || isTranslated ? Bytes(address[12...]) : nil
    }

    /// Prefixes that are refused, as the first 32 bits and their length.
    private static let blocked4: [(UInt32, UInt32)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16),
        (0xAC10_0000, 12), (0xC000_0000, 24), (0xC000_0200, 24), (0xC058_6300, 24),
        (0xC0A8_0000, 16), (0xC612_0000, 15), (0xC633_6400, 24), (0xCB00_7100, 24),
        (0xE000_0000, 4), (0xF000_0000, 4),
    ]

    /// Whether an address (4 or 16 bytes, network order) may be reached by everybody.
    ///
    /// Of addresses that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) that one decides, too.
    public static func isPublic(_ address: Bytes) -> Bool {
        if address.count == 4 { return isPublic4(word(address, 0)) }
        guard address.count == 16 else { return false }
        let (a, b, c, d) = (word(address, 0), word(address, 4), word(address, 8), word(address, 12))
        if a == 0 && b == 0 {
            // ::, ::1, ::a.b.c.d and ::ffff:a.b.c.d; ::ffff:0:a.b.c.d is a translator's own.
            return c == 0x0000_FFFF && isPublic4(d)
        }
        // Of the rest only 2000::/3 is in use as global unicast; NAT64 lies outside of it.
        if a == 0x0064_FF9B { return b == 0 && c == 0 && isPublic4(d) }
        guard a >> 29 == 1 else { return false }
        if a >> 16 == 0x2002 { return isPublic4(a << 16 | b >> 16) }
        // 2001::/23 is for protocols (Teredo, ORCHID, benchmarks), 2001:db8::/32 and 3fff::/20 for documentation.
        if a >> 9 == 0x2001_0000 >> 9 || a == 0x2001_0DB8 || a >> 12 == 0x3FFF_0000 >> 12 {
            return false
        }
        return true
    }

    private static func isPublic4(_ address: UInt32) -> Bool {
        !blocked4.contains { prefix, length in address >> (32 - length) == prefix >> (32 - length) }
    }

    private static func word(_ bytes: Bytes, _ at: Int) -> UInt32 {
        bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
