// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }

@Suite struct HTTPTests {
    /// Which addresses are public, with those that carry another one inside.
    @Test func addresses() {
        func four(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) -> Bytes { [a, b, c, d] }
        let refused4 = [
            four(0, 0, 0, 0), four(10, 1, 2, 3), four(100, 64, 0, 1), four(100, 127, 255, 255),
            four(127, 0, 0, 1),
            four(169, 254, 169, 254), four(172, 16, 0, 1), four(172, 31, 255, 255), four(192, 0, 0, 8),
            four(192, 0, 2, 1), four(192, 88, 99, 1), four(192, 168, 1, 1), four(198, 18, 0, 1),
            four(198, 19, 9, 9),
            four(198, 51, 100, 7), four(203, 0, 113, 9), four(224, 0, 0, 1), four(239, 1, 1, 1),
            four(240, 0, 0, 1),
            four(255, 255, 255, 255),
        ]
        let allowed4 = [
            four(1, 1, 1, 1), four(9, 255, 255, 255), four(11, 0, 0, 0), four(100, 63, 255, 255),
            four(100, 128, 0, 0),
            four(126, 0, 0, 1), four(128, 0, 0, 1), four(172, 15, 0, 1), four(172, 32, 0, 1),
            four(192, 167, 1, 1),
            four(198, 17, 0, 1), four(198, 20, 0, 1), four(223, 255, 255, 255),
        ]
        func carried(_ prefix: Bytes, _ inner: Bytes) -> Bytes {
            prefix + Bytes(repeating: 0, count: 12 - prefix.count) + inner
        }
        let mapped = Bytes(repeating: 0, count: 10) + [0xFF, 0xFF]
        let nat64: Bytes = [0, 0x64, 0xFF, 0x9B]
        for address in refused4 + allowed4 {
            let isPublic = allowed4.contains(address)
            #expect(HTTPAddress.isPublic(address) == isPublic, "\(address)")
            #expect(HTTPAddress.isPublic(mapped + address) == isPublic, "mapped \(address)")
            #expect(HTTPAddress.isPublic(carried(nat64, address)) == isPublic, "NAT64 \(address)")
            let relay: Bytes = [0x20, 0x02] + address + Bytes(repeating: 0, count: 10)
            #expect(HTTPAddress.isPublic(relay) == isPublic, "6to4 \(address)")
            #expect(!HTTPAddress.isPublic(Bytes(repeating: 0, count: 12) + address), "compatible \(address)")
        }
        func six(_ first: UInt8, _ second: UInt8, _ third: UInt8 = 0, _ fourth: UInt8 = 0) -> Bytes {
            [first, second, third, fourth] + Bytes(repeating: 0, count: 11) + [1]
        }
        for address in [
            six(0, 0), six(0xFE, 0x80), six(0xFE, 0xC0), six(0xFC, 0), six(0xFD, 1), six(0xFF, 2), six(1, 0),
            six(0x20, 0x01), six(0x20, 0x01, 0x01, 0xFF), six(0x20, 0x01, 0x0D, 0xB8), six(0x3F, 0xFF, 0x0A),
            six(0x5F, 0),
        ] {
            #expect(!HTTPAddress.isPublic(address), "\(address)")
        }
        for address in [six(0x20, 0x01, 0x02), six(0x26, 0x06, 0x47), six(0x2A, 0), six(0x3F, 0xFE)] {
            #expect(HTTPAddress.isPublic(address), "\(address)")
        }
        #expect(!HTTPAddress.isPublic([]) && !HTTPAddress.isPublic([1, 1, 1]))
    }

    /// Patterns of hosts: whole names, everything below a domain, ports.
    @Test func patterns() {
        let cases: [(pattern: String, host: String, port: Int32, fits: Bool)] = [
            ("example.com", "example.com", 443, true), ("Example.COM", "eXample.com", 80, true),
            ("example.com", "www.example.com", 443, false), ("example.com", "example.com.", 443, true),
            ("*.example.com", "www.example.com", 443, true), ("*.example.com", "a.b.example.com", 443, true),
            ("*.example.com", "example.com", 443, false), ("*.example.com", "badexample.com", 443, false),
            ("*", "anything", 1, true), ("*:443", "anything", 80, false), ("x:8080", "x", 8080, true),
            ("x:8080", "x", 80, false), ("[2606:4700::1]:443", "2606:4700::1", 443, true),
            ("[2606:4700::1]", "2606:4700::1", 5, true), ("", "x", 80, false),
            ("2606:4700:0::0001", "[2606:4700::1]", 5, true), ("[2606:4700::1]", "2606:4700::2", 5, false),
            ("9.9.9.9", "[::ffff:9.9.9.9]", 80, true), ("[::ffff:909:909]:80", "9.9.9.9", 80, true),
            ("9.9.9.9", "64:ff9b::9.9.9.9", 80, true), ("9.9.9.9", "9.9.9.9.", 80, true),
            ("9.9.9.9", "9.9.9.90", 80, false), ("*", "9.9.9.9", 80, true), ("*.9.9.9", "9.9.9.9", 80, false),
            ("example.com.", "EXAMPLE.com", 80, true),
        ]
        for (pattern, host, port, fits) in cases {
            var policy = HTTPPolicy()
            policy.allowedHosts = [bytes(pattern)]
            #expect((policy.refusal(ofHost: bytes(host), port: port) == nil) == fits, "\(pattern) \(host)")
            policy.allowedHosts = []
            policy.deniedHosts = [bytes(pattern)]
            #expect(
                (policy.refusal(ofHost: bytes(host), port: port) == nil) == !fits,
                "not \(pattern) \(host)"
            )
        }
        for good in [
            "a", "*.a", "*", "a:1", "[::1]", "[::1]:65535", "1.2.3.4", "1.2.3.4:80", "a-b_c.d", "::1", "a.b.",
            "xn--bcher-kva.example", "3com.com",
        ] {
            #expect(HTTPHost.isPattern(bytes(good)), "\(good)")
        }
        for bad in [
            "", "*.", "a:", "a:0", "a:65536", "a:x", "a b", "http://a", "*.*", "a/b", "[::1", "é",
            "*.0.0.1", "127.1", "0x7f.1", "2130706433", "1.2.3.256", "a..b", ".a", "[1.2.3.4]", "[::1]x",
            "1:2",
            "::1::", "[::1]:0", String(repeating: "a", count: 64), "\u{FF41}.example",
        ] {
            #expect(!HTTPHost.isPattern(bytes(bad)), "\(bad)")
        }
    }

    /// Base64 both ways, the vectors of RFC 4648 and texts that are none.
    @Test func base64() throws {
        for (plain, coded) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64.encode(bytes(plain)) == bytes(coded))
            #expect(try Base64.decode(bytes(coded)) == bytes(plain))
            #expect(try Base64.decode(bytes(" \n" + coded + "\t ")) == bytes(plain))
        }
        let all = (0...255).map { UInt8($0) }
        #expect(try Base64.decode(Base64.encode(all)) == all)
        for (text, why) in [
            ("!", "Invalid symbol 33, offset 0."), ("Zg", "Invalid padding"), ("Zg=", "Invalid padding"),
            ("Z", "Invalid padding"), ("Zg==Zg==", "Invalid symbol 90, offset 4."),
            ("Zm9v=", "Invalid padding"),
            ("=", "Invalid padding"), ("Zm8é", "Invalid symbol 195, offset 3."),
        ] {
            #expect(throws: Base64.Fault(text: bytes(why)), "\(text)") { try Base64.decode(bytes(text)) }
        }
    }

    /// What crosses shared memory comes out as it went in, and no cut or altered copy of it traps.
    @Test func coding() throws {
        var request = HTTPRequest(
            url: bytes("http://x"),
            method: bytes("POST"),
            body: [],
            headers: [.init(name: bytes("A"), value: [])],

            timeoutMilliseconds: 30_000,
            followsRedirects: true
        )
        request.policy.allowedHosts = [bytes("a"), bytes("*")]
        request.policy.allowsPrivateNetworks = true
        var answer = HTTPAnswer(.answered)
        answer.status = 200
        answer.headers = bytes("A: b\n")
        answer.body = [0, 1, 2]
        #expect(HTTPRequest(encoded: request.encoded()) == request)
        #expect(HTTPAnswer(encoded: answer.encoded()) == answer)
        var plain = request
        plain.body = nil
        #expect(HTTPRequest(encoded: plain.encoded()) == plain)
        var random = SystemRandomNumberGenerator()
        for whole in [request.encoded(), answer.encoded()] {
            for length in 0..<whole.count {
                #expect(HTTPRequest(encoded: Bytes(whole[..<length])) == nil)
                #expect(HTTPAnswer(encoded: Bytes(whole[..<length])) == nil)
            }
            for _ in 0..<2_000 {
                var altered = whole
                altered[Int.random(in: 0..<whole.count, using: &random)] = UInt8.random(
                    in: 0...255,
                    using: &random
                )
                _ = HTTPRequest(encoded: altered)
                _ = HTTPAnswer(encoded: altered)
            }
        }
    }

    /// An address in a URL where an allow list is in force, and names that no comparison can be trusted with.
    @Test func refusals() {
        var policy = HTTPPolicy()
        policy.allowedHosts = [bytes("example.com"), bytes("9.9.9.9")]
        func text(_ host: String) -> Bytes? { policy.refusal(ofHost: bytes(host), port: 80) }
        let bare = bytes("Blocked: requests to bare IP addresses are not permitted")
        for host in ["127.0.0.1", "[::1]", "::ffff:1.2.3.4", "8.8.8.8."] {
            #expect(text(host) == bare, "\(host)")
        }
        for host in ["127.1", "2130706433", "0x7f000001", "localhost", "b\u{FC}cher.example"] {
            #expect(text(host) == bytes("Blocked: '\(host)' is not in the allowed endpoint list"), "\(host)")
        }
        #expect(text("9.9.9.9") == nil && text("EXAMPLE.COM.") == nil)
        policy.allowedHosts = []
        #expect(text("127.0.0.1") == nil && text("b\u{FC}cher.example") == nil)
        policy.deniedHosts = [bytes("other.example")]
        #expect(text("b\u{FC}cher.example") != nil, "may be another spelling of what is denied")
        #expect(text("example.com") == nil)
    }

    /// IPv6 as it may be written, and what is no address.
    @Test func spelledAddresses() {
        let one = Bytes(repeating: 0, count: 15) + [1]
        for text in ["::1", "0:0:0:0:0:0:0:1", "0000::0.0.0.1", "0:0::0:1"] {
            #expect(HTTPAddress.parse6(bytes(text)) == one, "\(text)")
        }
        #expect(HTTPAddress.parse6(bytes("::")) == Bytes(repeating: 0, count: 16))
        #expect(HTTPAddress.parse6(bytes("1::"))?.first == 0 && HTTPAddress.parse6(bytes("1::"))?[1] == 1)
        for text in [
            "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::",
            "g::",
            "1:2:3:4:5:6:7::8", "::1.2.3", "::1.2.3.4.5", "1.2.3.4::", "fe80::1%eth0", "1:2:3:4:5:6:7:8:",
            "::256.1.1.1",
        ] {
            #expect(HTTPAddress.parse6(bytes(text)) == nil, "\(text)")
        }
        for text in ["1.2.3", "01.2.3.4", "1.2.3.4.5", "256.1.1.1", "1.2.3.", "a.b.c.d", "1..2.3"] {
            #expect(HTTPAddress.parse4(bytes(text)[...]) == nil, "\(text)")
        }
    }
}
