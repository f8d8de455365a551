// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func string(_ bytes: Bytes?) -> String { String(decoding: bytes ?? [], as: UTF8.self) }

@Suite struct HTTPResultTests {
    private let request = HTTPRequest(
        url: bytes("http://x/\u{20AC}"),
        method: bytes("GET"),
        body: nil,
        headers: [],
        timeoutMilliseconds: 900_000,
        followsRedirects: false
    )

    private func answer(_ body: Bytes, type: String? = nil, status: Int32 = 200) -> HTTPAnswer {
        var answer = HTTPAnswer(.answered)
        answer.status = status
        answer.headers = bytes(type.map { "Content-Type: \($0)\nX-Euro: \u{20AC}\nX-A: \u{E9}\n" } ?? "")
        answer.body = body
        return answer
    }

    /// As a database of encoding LATIN1 would say.
    private func isLatin(_ text: Bytes) -> Bool { string(text).unicodeScalars.allSatisfy { $0.value < 256 } }

    private func result(_ answer: HTTPAnswer, _ limits: HTTPLimits = HTTPLimits()) -> HTTPResult {
        answer.result(of: request, limits) { isLatin($0) }
    }

    /// What the database's encoding lacks is base64 in a body, left out of the headers and "?" in a failure.
    @Test func encodings() {
        guard case .completed(let euro) = result(answer(bytes("\u{20AC}"), type: "text/plain")),
            case .completed(let accent) = result(answer(bytes("\u{E9}"), type: "text/plain"))
        else {
            #expect(Bool(false))
            return
        }
        #expect(string(euro).hasPrefix(#"{"status":200,"body":"4oKs","encoding":"base64","headers":{"#))
        #expect(string(euro).contains(#""headers":{"content-type":"text/plain","x-a":"é"}"#))
        #expect(string(accent).hasPrefix(#"{"status":200,"body":"é","encoding":"text""#))
        guard case .failed(let failure) = result(answer(bytes("\u{20AC}"), status: 500)) else {
            #expect(Bool(false))
            return
        }
        let storable = failure.storable { isLatin($0) }
        #expect(string(storable.message) == "HTTP GET http://x/? returned 500: 4oKs")
        let odd = StepFailure(
            sqlstate: bytes("08006"),
            message: [0x61, 0, 0xFF, 0xC3, 0xA9, 0xE2, 0x82, 0xAC]
        )
        #expect(string(odd.storable { isLatin($0) }.message) == "a??é?")
    }

    /// The envelope is a result like any other: beyond the limit the step fails, before it is built.
    @Test func sizes() {
        var limits = HTTPLimits()
        limits.resultSizeMax = 2048
        let body = Bytes(repeating: 1, count: 400)
        guard case .failed(let failure) = result(answer(body), limits) else {
            #expect(Bool(false))
            return
        }
        #expect(string(failure.message) == "HTTP response exceeds \"pg_durable.max_result_size\"")
        #expect(string(failure.hint).contains("2kB"))
        guard case .completed(let envelope) = result(answer(Bytes(repeating: 1, count: 300)), limits) else {
            #expect(Bool(false))
            return
        }
        #expect(envelope.count <= 2048)
        for text in ["", "plain", "\"\\\u{1}\u{8}\t\n\u{C}\r\u{1F}\u{7F}\u{E9}"] {
            #expect(JSONText.quotedCount(bytes(text)) == JSONText.quote(bytes(text)).count)
        }
        for (size, shown) in [
            (Int64(16 << 20), "16MB"), (1 << 30, "1GB"), (1536, "1536 bytes"), (1 << 10, "1kB"),
        ] {
            #expect(HTTPLimits.shown(size) == shown)
        }
    }

    /// Texts name what really held: the ceiling of the time, the limit of the response.
    @Test func limits() {
        var limits = HTTPLimits()
        limits.responseSizeMax = 1 << 20
        for (outcome, message, hint) in [
            (HTTPAnswer.Outcome.timedOut, "HTTP timeout after 600s: http://x/\u{20AC}", "is 600 seconds"),
            (
                .tooLarge, "Failed to read response body: it exceeds \"pg_durable.http_max_response_size\"",
                "1MB"
            ),
        ] {
            guard case .failed(let failure) = result(HTTPAnswer(outcome), limits) else {
                #expect(Bool(false))
                return
            }
            #expect(string(failure.message) == message)
            #expect(string(failure.hint).contains(hint))
        }
        limits.timeoutMaxMilliseconds = 1_000_000
        guard case .failed(let failure) = result(HTTPAnswer(.timedOut), limits) else {
            #expect(Bool(false))
            return
        }
        #expect(string(failure.message).hasPrefix("HTTP timeout after 900s: ") && failure.hint == nil)
    }

    /// What the peer may have acted on: all that was sent, unless it turned the request away.
    @Test func acting() {
        for (status, acted) in [
            (Int32(429), false), (503, false), (500, true), (502, true), (504, true), (200, true),
        ] {
            #expect(answer([], status: status).mayHaveActed == acted, "\(status)")
        }
        for outcome in [HTTPAnswer.Outcome.timedOut, .broken, .connectFailed] {
            var answer = HTTPAnswer(outcome)
            #expect(!answer.mayHaveActed)
            answer.connected = true
            #expect(answer.mayHaveActed)
            #expect(HTTPAnswer(encoded: answer.encoded()) == answer)
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
            ("-99999999999999", 0), ("-9223372036854775809", 0), (" 7 ", 7_000_000),
            ("Sat, 01 Jan 2000 00:01:00 GMT", 60_000_000), ("Fri, 31 Dec 1999 00:00:00 GMT", 0),
            ("Saturday, 01-Jan-00 00:01:00 GMT", 60_000_000), ("Sat Jan  1 00:01:00 2000", 60_000_000),
            ("Fri, 31 Dec 9999 23:59:60 GMT", 86_400_000_000),
            ("soon", 1_000_000), ("", 1_000_000), ("7 s", 1_000_000), ("0x7", 1_000_000),
            ("Sat, 01 Jan 2000 24:00:00 GMT", 1_000_000), ("Sat, 01 Foo 2000 00:00:00 GMT", 1_000_000),
        ] {
            answer.headers = bytes("Retry-After: \(text)\n")
            #expect(pause(1) == Int64(expected), "\(text)")
        }
        for now in [Timestamp(rawValue: .max), Timestamp(rawValue: .min)] {
            answer.headers = bytes("Retry-After: Sat, 01 Jan 2000 00:01:00 GMT\n")
            #expect((0...86_400_000_000).contains(answer.pause(after: 1, delivery, jitter: 0, now: now)))
        }
        answer.status = 500
        answer.headers = bytes("retry-after: 7\n")
        #expect(pause(1) == 1_000_000)
    }
}
