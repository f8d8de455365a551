// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Names and addresses of hosts, and patterns for them.
///
/// A host is compared in one form, whatever its spelling: names in lower case without the dot at the end, addresses by
/// their bytes. Names beyond ASCII have none; the transport turns them into their `xn--` form before it asks.
public enum HTTPHost: Hashable, Sendable {
    case name(Bytes)
    /// Four bytes, or sixteen of an IPv6 address that carries no IPv4 address.
    case address(Bytes)

    /// A host as a URL or a pattern has it; brackets around an IPv6 address may be there.
    init(_ text: Bytes) {
        var name = HTTPHost.lowercased(text)
        if name.first == UInt8(ascii: "["), name.last == UInt8(ascii: "]") {
            name = Bytes(name.dropFirst().dropLast())
        }
        if name.count > 1, name.last == UInt8(ascii: ".") { name.removeLast() }
        if let address = HTTPAddress.parse4(name[...]) {
            self = .address(address)
        } else if let address = HTTPAddress.parse6(name) {
            self = .address(HTTPAddress.carried(by: address) ?? address)
        } else {
            self = .name(name)
        }
    }

    var isAddress: Bool {
        switch self {
        case .address: true
        case .name: false
        }
    }

    /// Whether this is a name that comparing bytes says nothing about.
    var isForeign: Bool {
        switch self {
        case .address: false
        case .name(let name): name.contains { $0 >= 0x80 }
        }
    }

    /// ASCII letters in lower case.
    static func lowercased(_ text: Bytes) -> Bytes {
        text.map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 0x20 : $0 }
    }

    /// Whether `pattern` is one: a host name or address, `*.` and a domain, or `*`; with `:port` or without.
    ///
    /// A name that ends in a number is an odd spelling of an address, which nothing would ever match.
    public static func isPattern(_ pattern: Bytes) -> Bool {
        guard let (host, _) = split(pattern) else { return false }
        if host == Bytes("*".utf8) { return true }
        let isDomain = host.starts(with: Bytes("*.".utf8))
        let text = isDomain ? Bytes(host.dropFirst(2)) : host
        switch HTTPHost(text) {
        case .address: return !isDomain
        case .name(let name):
            let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            guard name.count <= 253, let last = labels.last, !isNumber(last) else { return false }
            return labels.allSatisfy { label in
                (1...63).contains(label.count) && label.allSatisfy(isNameByte)
            }
        }
    }

    /// Whether `pattern` covers this host and `port`.
    ///
    /// `*.example.com` is every name below example.com, but not example.com itself.
    func matches(_ pattern: Bytes, port: Int32) -> Bool {
        guard let (text, wantedPort) = HTTPHost.split(pattern) else { return false }
        if let wantedPort, wantedPort != port { return false }
        if text == Bytes("*".utf8) { return true }
        guard text.starts(with: Bytes("*.".utf8)) else { return self == HTTPHost(text) }
        guard case .name(let name) = self, case .name(let domain) = HTTPHost(Bytes(text.dropFirst(2))) else {
            return false
        }
        let suffix = Bytes(".".utf8) + domain
        return name.count > suffix.count && name.suffix(suffix.count).elementsEqual(suffix)
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (lower >= 0x61 && lower <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    /// Decimal, octal or hexadecimal, as the parsers of addresses know them.
    private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) { return true }
        guard label.starts(with: "0x".utf8) else { return false }
        return label.dropFirst(2).allSatisfy { JSONText.hexDigit($0) != nil }
    }

    /// Host, without brackets, and port of a pattern; nil when the port, or what stands around it, is no such thing.
    private static func split(_ pattern: Bytes) -> (host: Bytes, port: Int32?)? {
        if pattern.first == UInt8(ascii: "["), let end = pattern.firstIndex(of: UInt8(ascii: "]")) {
            let host = Bytes(pattern[1..<end])
            guard HTTPAddress.parse6(lowercased(host)) != nil else { return nil }
            let rest = pattern[(end + 1)...]
            if rest.isEmpty { return (host, nil) }
            guard rest.first == UInt8(ascii: ":"), let port = port(rest.dropFirst()) else { return nil }
            return (host, port)
        }
        guard let colon = pattern.lastIndex(of: UInt8(ascii: ":")),
            pattern.firstIndex(of: UInt8(ascii: ":")) == colon
        else { return (pattern, nil) }
        guard let port = port(pattern[(colon + 1)...]) else { return nil }
        return (Bytes(pattern[..<colon]), port)
    }

    static func port(_ digits: ArraySlice<UInt8>) -> Int32? {
        guard !digits.isEmpty, digits.count <= 5 else { return nil }
        var value: Int32 = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + Int32(digit - 0x30)
        }
        return value >= 1 && value <= 65_535 ? value : nil
    }
}
