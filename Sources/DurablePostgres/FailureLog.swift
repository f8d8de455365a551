// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// One line in the server's log per failed instance, so that an administrator sees failures without looking for them.
///
/// SQLSTATE and id only: the message may hold values, and is for the instance's owner. At most `linesMax` a
/// minute from one process, then the number of those left out.
struct FailureLog {
    private static let linesMax = 10
    private var minute: Int64 = 0
    private var lines = 0
    private var leftOut = 0

    /// Says how many were left out so far.
    mutating func flush() {
        if leftOut > 0 { Log.log("\(leftOut) more durable functions failed in this process") }
        leftOut = 0
    }

    mutating func report(_ failure: StepFailure, of instance: InstanceID, publicID: Bytes?) {
        let now = pgs_now() / 60_000_000
        if now != minute {
            flush()
            (minute, lines) = (now, 0)
        }
        guard lines < FailureLog.linesMax else {
            leftOut += 1
            return
        }
        lines += 1
        let name = publicID.map { String(decoding: $0, as: UTF8.self) } ?? String(instance.rawValue)
        Log.log(
            "durable function \(name) failed with SQLSTATE \(String(decoding: failure.sqlstate, as: UTF8.self))",
            hint: "Its owner finds the report with df.explain('\(name)')."
        )
    }
}
