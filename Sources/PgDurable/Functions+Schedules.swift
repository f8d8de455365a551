// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

/// With one argument or two; the second may be NULL, which is UTC, and without an expression there is no schedule.
@c(df_wait_for_schedule_swift)
func dfWaitForSchedule(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        guard !call.isNull(0) else { return .null }
        let expression = try call.text(0, atMost: Limits.scheduleSize, "cron expression")
        let zone = call.isNull(1) ? nil : try call.text(1, atMost: Limits.nameSize, "time zone")
        do throws(EnvelopeError) {
            return .text(
                try Compose.schedule(
                    expression,
                    zone: zone,
                    now: Timestamp(rawValue: pgs_now()),
                    zones: ServerTimeZones()
                )
            )
        } catch {
            throw PostgresError(error)
        }
    }
}

@c(df_next_tick_swift)
func dfNextTick(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        guard !call.isNull(0), !call.isNull(2) else { return .null }
        let expression = try call.text(0, atMost: Limits.scheduleSize, "cron expression")
        let zone = call.isNull(1) ? nil : try call.text(1, atMost: Limits.nameSize, "time zone")
        let after = Timestamp(rawValue: try call.timestamptz(2))
        do throws(CronError) {
            let next = try CronSchedule(expression).next(after: after, zone: zone, ServerTimeZones())
            return next.map { .timestamptz($0.rawValue) } ?? .null
        } catch {
            throw PostgresError(state: .invalidParameterValue, message: error.message, detail: error.detail)
        }
    }
}
