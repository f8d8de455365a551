// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableRuntime
internal import PostgresExtension

/// Companions: no policy decides about them, since each executor may have one; only the server can be short of workers.
extension LauncherProcess {
    /// Starts those that are wanted, and frees the places of those that have ended.
    mutating func serveCompanions(_ now: Int64) throws(PostgresError) {
        companions = []
        companionsWaiting = 0
        let count = Int(pgs_launcher_companions(&companionViews, Int32(companionViews.count)))
        for companion in companionViews.prefix(count) {
            var isFree = companion.state == PGS_SLOT_FREE
            if companion.state == PGS_SLOT_EXITED {
                guard companion.gone else { continue }
                pgs_launcher_release(companion.slot, companion.generation)
                workers.succeeded(.server)
                isFree = true
            }
            if isFree {
                if companion.wanted != 0, !companion.is_vacated { try start(companion, now) }
                continue
            }
            generations[companion.slot] = companion.generation
            if companion.state == PGS_SLOT_IDLE || companion.leave_asked {
                companions.append(.init(slot: companion.slot, isLeaving: companion.leave_asked))
            }
        }
    }

    private mutating func start(_ companion: pgs_companion_view, _ now: Int64) throws(PostgresError) {
        guard workers.held(at: now).isEmpty else {
            companionsWaiting += 1
            return
        }
        // The executor looks again itself, and says what is in the way.
        var place = pgs_place()
        try check(pgs_check_place(companion.wanted, companion.role, &place))
        guard place.obstacle == PGS_OBSTACLE_NONE else {
            pgs_launcher_refuse_companion(companion.executor, companion.executor_generation)
            return
        }
        var outcome = PGS_START_DONE
        try check(
            pgs_launcher_start_companion(companion.executor, companion.executor_generation, &outcome)
        )
        switch outcome {
        case PGS_START_DONE:
            next = min(next, now + 1_000_000)
        case PGS_START_NO_WORKER:
            companionsWaiting += 1
            holdWorkers()
        case PGS_START_NOT_WANTED:
            break
        default:
            // The table of databases is full: the executor waits for its turn, which comes sooner if some of them are
            // there for nothing.
            _ = pgs_launcher_has_room()
            next = min(next, now + 1_000_000)
        }
    }
}
