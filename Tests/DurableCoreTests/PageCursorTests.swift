// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import Testing

@Suite struct PageCursorTests {
    private func hex(_ text: String) -> Bytes {
        Bytes(
            text.utf8.flatMap { byte in
                let digits = Bytes("0123456789abcdef".utf8)
                return [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        )
    }

    @Test func writesWhatTheSpecificationSays() {
        // 2026-11-22 16:42:20.000123 UTC
        let cursor = PageCursor(
            createdAt: Timestamp(rawValue: 848_680_940_000_123),
            id: Bytes("a1b2c3d4".utf8)
        )
        #expect(cursor.token == hex("v1|2026-11-22T16:42:20.000123+00|a1b2c3d4"))
        #expect(PageCursor(token: cursor.token) == cursor)
    }

    @Test(arguments: [
        "v1|2026-11-22T16:42:20.000123+00|a1b2c3d4", "v1|2026-11-22T17:42:20.000123+01|a1b2c3d4",
        "v1|2026-11-22T22:12:20.000123+05:30|a1b2c3d4", "v1|2026-11-22T07:12:20.000123-09:30|a1b2c3d4",
        "v1|2026-11-22T16:42:20.000123Z|a1b2c3d4",
    ])
    func readsEveryOffset(_ text: String) {
        #expect(PageCursor(token: hex(text))?.createdAt == Timestamp(rawValue: 848_680_940_000_123))
    }

    @Test func theIdIsNotChecked() {
        #expect(PageCursor(token: hex("v1|2026-11-22T16:42:20.5+00|x|y"))?.id == Bytes("x|y".utf8))
    }

    @Test(arguments: [
        "", "v1", "v1|", "v1|2026-11-22T16:42:20.000123+00", "v1|2026-11-22T16:42:20.000123+00|",
        "v2|2026-11-22T16:42:20.000123+00|a", "v1|2026-02-30T16:42:20.000123+00|a",
        "v1|2026-11-22T24:42:20.000123+00|a", "v1|2026-11-22T16:42:20.000123|a",
        "v1|2026-11-22T16:42:20.+00|a", "v1|2026-11-22T16:42:20.000123+0|a", "v1|infinity|a",
        "v1|2026-11-22 16:42:20.000123+00|a", "v1|2026-11-22T16:42:20.000123+00:00:00:00|a",
        "v1|999999-11-22T16:42:20.000123+00|a",
    ])
    func refusesEverythingElse(_ text: String) {
        #expect(PageCursor(token: hex(text)) == nil)
    }

    @Test func refusesWhatIsNotHexadecimal() {
        let token = PageCursor(createdAt: .latest, id: Bytes("a".utf8)).token
        #expect(PageCursor(token: token) != nil)
        #expect(PageCursor(token: Bytes(token.dropLast())) == nil)
        #expect(PageCursor(token: token + Bytes("zz".utf8)) == nil)
        #expect(PageCursor(token: token + Bytes(repeating: 0x61, count: 512)) == nil)
    }
}
