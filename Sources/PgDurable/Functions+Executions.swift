// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import DurableRuntime
internal import PostgresExtension

@c(df_instance_executions_swift)
func dfInstanceExecutions(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        let limit = try call.int32(1)
        guard limit >= 1 else {
            throw PostgresError(.invalidParameterValue, "limit_count must be at least 1")
        }
        guard let row = try Access.visible(try call.instanceID(0)) else { return }
        let report = try InstanceReport(row)
        let present = report.nodes.generation
        let (status, output): (String, Bytes?) =
            switch report.status {
            case .pending, .running: ("Running", nil)
            case .completed: ("Completed", report.output)
            case .failed, .cancelled: ("Failed", report.output)
            }
        let duration = report.ended.map {
            max(0, ($0.at.rawValue &- report.nodes.generationBegan.rawValue) / 1000)
        }
        try rows.append([
            .int8(present), .text(status), .int8(report.eventCount), .int8(duration ?? 0), optional(output),
        ])
        // Of the iterations before nothing is kept but how many there were.
        let first = max(1, present &- Int64(min(limit, 10_000)) &+ 1)
        for execution in (first..<max(first, present)).reversed() {
            try check(pgs_interrupts_check())
            try rows.append([.int8(execution), .text("ContinuedAsNew"), .null, .int8(0), .null])
        }
    }
}

@c(df_metrics_swift)
func dfMetrics(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { _, rows throws(PostgresError) in
        try Access.check()
        let metrics = try Metrics { () throws(PostgresError) in try check(pgs_interrupts_check()) }
        try rows.append([
            .int8(metrics.instances), .int8(metrics.running), .int8(metrics.completed), .int8(metrics.failed),
            .int8(metrics.executions), .int8(metrics.events),
        ])
    }
}

@c(df_error_swift)
func dfError(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)),
            case .failed(let text, let failure) = try Storage.ended(row.id, current: false)?.outcome
        else { return .null }
        let report = try InstanceReport(row)
        let origin = report.origin(of: failure)
        var object = JSONObjectWriter()
        object.member("sqlstate", string: failure.sqlstate)
        object.member("message", string: failure.serverMessage)
        object.member("detail", string: failure.detail)
        object.member("hint", string: failure.hint)
        object.member("context", string: failure.context)
        object.member("output", string: text)
        object.member("node_id", string: origin?.id)
        object.member("node_type", string: origin.map { Bytes($0.kind.rawValue.utf8) })
        object.member("query", string: origin?.query)
        return .jsonb(object.finish())
    }
}
