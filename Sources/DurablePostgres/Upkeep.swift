// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import PostgresExtension

/// When the scheduler of a database cleans up, and how far it has come.
///
/// When the next pass is due stands in shared memory: the scheduler leaves in between, and the launcher starts it
/// again.
struct Upkeep {
    private var pass: Retention?
    /// When the next pass begins, or did; `Int64.max` for never.
    private(set) var due = Int64.max

    /// Does a little of what is due; true when there is more to do at once.
    mutating func work(_ settings: RetentionSettings) throws(PostgresError) -> Bool {
        guard settings.intervalMicroseconds > 0 else {
            if pgs_scheduler_upkeep_due() != Int64.max { pgs_scheduler_set_upkeep_due(Int64.max) }
            (pass, due) = (nil, Int64.max)
            return false
        }
        let now = pgs_now()
        if due == Int64.max {
            due = pgs_scheduler_upkeep_due()
            if due == Int64.max { plan(at: now &+ settings.intervalMicroseconds) }
        }
        guard now >= due else { return false }
        var pass = self.pass ?? Retention(settings, now: now)
        do throws(PostgresError) {
            if try pass.step() {
                self.pass = pass
                return true
            }
            if pass.removed > 0 {
                Log.log("removed \(pass.removed) ended durable function(s)")
            }
        } catch {
            // It is tried again next time; nobody waits for it.
            Log.report(error, doing: "removing ended durable functions")
        }
        self.pass = nil
        plan(at: pgs_now() &+ settings.intervalMicroseconds)
        return false
    }

    private mutating func plan(at instant: Int64) {
        due = instant
        pgs_scheduler_set_upkeep_due(instant)
    }
}
