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
        for good in ["a", "*.a", "*", "a:1", "[::1]", "[::1]:65535", "1.2.3.4", "a-b_c.d"] {
            #expect(HTTPHost.isPattern(bytes(good)), "\(good)")
        }
        for bad in ["", "*.", "a:", "a:0", "a:65536", "a:x", "a b", "http://a", "*.*", "a/b", "[::1", "é"] {
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
            parts: [.init(name: bytes("n"), filename: nil, contentType: bytes("a/b"), data: [0, 255])],
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
        plain.parts = nil
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

    /// When a peer says to come back, and how waits grow without it.
    @Test func pauses() {
        var answer = HTTPAnswer(.answered)
        answer.status = 503
        var delivery = HTTPDelivery()
        delivery.backoffMilliseconds = 1_000
        let now = Timestamp(rawValue: 0)
        func pause(_ attempt: Int32, random: UInt64 = 0) -> Int64 {
            answer.pause(after: attempt, delivery, jitter: random, now: now)
        }
        #expect(pause(1) == 1_000_000 && pause(2) == 2_000_000 && pause(5) == 16_000_000)
        #expect(pause(40) == 3_600_000_000 && pause(.max) == 3_600_000_000)
        for random in [UInt64(1), 499, 500, .max] {
            #expect((500_000...1_000_000).contains(pause(1, random: random)))
        }
        for (text, expected) in [
            ("7", 7_000_000), ("0", 0), ("99999999999999999999", 86_400_000_000), ("-5", 0),
            ("Sat, 01 Jan 2000 00:01:00 GMT", 60_000_000), ("Fri, 31 Dec 1999 00:00:00 GMT", 0),
            ("soon", 1_000_000), ("", 1_000_000),
        ] {
            answer.headers = bytes("Retry-After: \(text)\n")
            #expect(pause(1) == Int64(expected), "\(text)")
        }
        answer.status = 500
        answer.headers = bytes("retry-after: 7\n")
        #expect(pause(1) == 1_000_000)
    }
}
