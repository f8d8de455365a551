// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// What the statements of simulated steps do.
///
/// The text itself says it, so that the simulated server and the reference interpreter agree
/// without sharing anything else:
///
///     value …      returns a number that depends on the whole text, references replaced
///     every K …    returns true except each K-th time
///     empty …      returns no rows
///     fail …       fails
///     late …       fails when its transaction commits
enum StepScript {
    enum Result {
        case rows(String)
        case fails(String)
        case failsAtCommit(String)
    }

    /// `before` counts how often this node's step has been committed.
    static func run(_ text: String, before: Int) -> Result {
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        switch words.first {
        case "every":
            let period = words.count > 1 ? Int(words[1]) ?? 1 : 1
            return .rows(#"{"rows":[{"v":\#(before % period != period - 1)}],"row_count":1}"#)
        case "empty":
            return .rows(#"{"rows":[],"row_count":0}"#)
        case "fail":
            return .fails("division by zero")
        case "late":
            return .failsAtCommit("deferred trouble")
        default:
            return .rows(#"{"rows":[{"v":\#(number(text))}],"row_count":1}"#)
        }
    }

    /// FNV-1a, cut to a short number.
    static func number(_ text: String) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int(hash % 1_000)
    }

    static func failure(_ message: String) -> StepFailure {
        StepFailure(sqlstate: Bytes("22012".utf8), message: Bytes(message.utf8))
    }
}
