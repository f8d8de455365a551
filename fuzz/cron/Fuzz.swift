// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

// The input is an instant (eight bytes, little end first) and an expression. Whatever they are, parsing
// ends with a schedule or an error; the next tick is strictly later, on the minute, and the same when it is
// looked for from just before it.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Bytes(UnsafeBufferPointer(start: start, count: count))
    guard input.count >= 8 else { return 0 }
    let instant = Timestamp(
        rawValue: Int64(bitPattern: input[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    )
    let text = Bytes(input[8...])
    let schedule: CronSchedule
    do throws(CronError) {
        schedule = try CronSchedule(text)
    } catch {
        guard error.message.starts(with: "Invalid cron expression '".utf8) else {
            fatalError("another message")
        }
        return 0
    }
    guard let tick = schedule.next(after: instant) else { return 0 }
    guard tick > instant else { fatalError("the next tick is not later") }
    let shown = LocalDateTime(utc: tick)
    guard shown.utc == tick, shown.second == 0, shown.microsecond == 0 else { fatalError("no whole minute") }
    let before = Timestamp(rawValue: tick.rawValue - 1)
    guard schedule.next(after: before) == tick else { fatalError("a tick is skipped") }
    return 0
}
