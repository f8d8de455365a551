// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension HTTPPolicy {
    /// Why a host must not be asked, or nil.
    ///
    /// `host` is what the transport's own parser found, without brackets; the transport goes where this name says.
    public func refusal(ofHost host: Bytes, port: Int32) -> Bytes? {
        var name = HTTPHost.lowercased(host)
        if name.count > 1, name.last == UInt8(ascii: ".") { name.removeLast() }
        let unlisted = Bytes("Blocked: '".utf8) + host + Bytes("' is not in the allowed endpoint list".utf8)
        if deniedHosts.contains(where: { HTTPHost.matches(name, port: port, pattern: $0) }) {
            return unlisted
        }
        guard !allowedHosts.isEmpty else { return nil }
        return allowedHosts.contains { HTTPHost.matches(name, port: port, pattern: $0) }
            ? nil : unlisted
    }
}

/// Names of hosts and patterns for them.
public enum HTTPHost {
    /// ASCII letters in lower case.
    static func lowercased(_ text: Bytes) -> Bytes {
        text.map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 0x20 : $0 }
    }

    /// Whether `pattern` is one: a host name or address, `*.` and a domain, or `*`; with `:port` or without.
    public static func isPattern(_ pattern: Bytes) -> Bool {
        let (host, port) = split(pattern)
        guard port != .some(nil) else { return false }
        if host == Bytes("*".utf8) { return true }
        let name = host.starts(with: Bytes("*.".utf8)) ? Bytes(host.dropFirst(2)) : host
        guard !name.isEmpty, name.count <= 253 else { return false }
        return name.allSatisfy { byte in
            let lower = byte | 0x20
            return (lower >= 0x61 && lower <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: ":")
        }
    }

    /// Whether `host` (lower case, no trailing dot) and `port` are what `pattern` allows.
    ///
    /// `*.example.com` is every name below example.com, but not example.com itself.
    static func matches(_ host: Bytes, port: Int32, pattern: Bytes) -> Bool {
        let (wanted, wantedPort) = split(lowercased(pattern))
        if let wantedPort, wantedPort != port { return false }
        if wanted == Bytes("*".utf8) { return true }
        guard wanted.starts(with: Bytes("*.".utf8)) else { return host == wanted }
        let suffix = wanted.dropFirst(1)
        return host.count > suffix.count && host.suffix(suffix.count).elementsEqual(suffix)
    }

    /// Host and port of a pattern; a port that is no number gives `.some(nil)`.
    ///
    /// An IPv6 address is written in brackets.
    private static func split(_ pattern: Bytes) -> (host: Bytes, port: Int32??) {
        if pattern.first == UInt8(ascii: "["), let end = pattern.firstIndex(of: UInt8(ascii: "]")) {
            let host = Bytes(pattern[1..<end])
            let rest = pattern[(end + 1)...]
            if rest.isEmpty { return (host, nil) }
            guard rest.first == UInt8(ascii: ":") else { return (host, .some(nil)) }
            return (host, .some(number(rest.dropFirst())))
        }
        guard let colon = pattern.lastIndex(of: UInt8(ascii: ":")),
            pattern.firstIndex(of: UInt8(ascii: ":")) == colon
        else { return (pattern, nil) }
        return (Bytes(pattern[..<colon]), .some(number(pattern[(colon + 1)...])))
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int32? {
        guard !digits.isEmpty, digits.count <= 5 else { return nil }
        var value: Int32 = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + Int32(digit - 0x30)
        }
        return value >= 1 && value <= 65_535 ? value : nil
    }
}

/// Which addresses are public.
///
/// Source: the IANA registries of special-purpose addresses (RFC 6890 and its updates).
public enum HTTPAddress {
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
