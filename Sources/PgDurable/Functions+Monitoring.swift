// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

/// The names that the original shows for its one orchestration; scripts print them.
private let functionName = SQLValue.text("pg_durable::orchestration::execute-function-graph")
private let functionVersion = SQLValue.text("1.0.0")

@c(df_list_instances_swift)
func dfListInstances(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        let filter = try call.optionalText(0)
        guard let limit = try call.optionalInt32(1) else { throw nullArgument(1, "limit_count") }
        try checkLimit(limit)
        var found: [[SQLValue]] = []
        let seesAll = try Access.seesAll()
        try Storage.newestInstances(of: seesAll ? nil : pgs_user_current()) { row throws(PostgresError) in
            try check(pgs_interrupts_check())
            if !seesAll, try !Access.isAtHome(row.home, roleName: row.roleName) { return true }
            let status = try InstanceState.status(of: row, current: false)
            guard filter == nil || filter == Bytes(status.rawValue.utf8) else { return true }
            let ended = try Storage.ended(row.id, current: false)
            let output = InstanceReport.output(
                ended,
                cancelReason: try Storage.cancelReason(row.id, current: false)
            )
            found.append([
                .text(row.publicID), optional(row.label), functionName, .text(status.rawValue),
                .int8(1),
                optional(output),
            ])
            return found.count < Int(limit)
        }
        for row in found { try rows.append(row) }
    }
}

private func checkLimit(_ limit: Int32) throws(PostgresError) {
    guard limit >= 1 else {
        throw PostgresError(.invalidParameterValue, "limit_count must be at least 1")
    }
    let most = Settings.listInstancesMax
    // The default of the argument works whatever the maximum is.
    guard limit <= most || limit == 100 else {
        throw PostgresError(
            .invalidParameterValue,
            "df.list_instances: limit_count (\(limit)) exceeds pg_durable.list_instances_max_limit (\(most))",
            hint: "Request fewer rows."
        )
    }
}

/// Text or NULL.
func optional(_ text: Bytes?) -> SQLValue { text.map(SQLValue.text) ?? .null }

@c(df_instance_info_swift)
func dfInstanceInfo(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)) else { return }
        let report = try InstanceReport(row)
        try rows.append([
            .text(row.publicID), optional(row.label), functionName, functionVersion,
            .int8(report.nodes.generation), .text(report.status.rawValue), optional(report.output),
        ])
    }
}

@c(df_instance_nodes_swift)
func dfInstanceNodes(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)) else { return }
        let report = try InstanceReport(row)
        for line in report.lines() {
            try check(pgs_interrupts_check())
            try rows.append([
                .text(line.node.id), .text(line.node.kind.rawValue), optional(line.node.query),
                optional(line.node.resultName), optional(line.node.left), optional(line.node.right),
                .text(line.state.status.rawValue),
                optional(try JSONBText.canonical(line.state.result)),
                optional(line.statusDetails), .text(line.state.inferredStatus.rawValue),
                optional(line.inferredFrom),
                .timestamptz((line.state.updatedAt ?? row.createdAt).rawValue),
            ])
        }
    }
}

// What the views df.instances and df.nodes are made of. The views call these for rows that they let through, but a
// view's condition may be evaluated late, so that each checks for itself.

@c(df_instance_state_swift)
func dfInstanceState(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        guard let row = try Access.visible(InstanceID(rawValue: try call.int64(0))) else { return }
        let status = try InstanceState.status(of: row, current: false)
        let ended = try Storage.ended(row.id, current: false)
        let last = try Storage.lastEntry(row.id)
        let updated = ended?.at ?? last ?? row.createdAt
        try rows.append([
            .text(status.rawValue), .timestamptz(updated.rawValue),
            status == .completed ? .timestamptz((ended?.at ?? updated).rawValue) : .null,
            .text(NodeID.hex(instance: row.id, node: .root)),
        ])
    }
}

@c(df_stored_nodes_swift)
func dfStoredNodes(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        guard let row = try Access.visible(InstanceID(rawValue: try call.int64(0))) else { return }
        let report = try InstanceReport(row)
        for line in report.lines() {
            let failure = line.state.failure
            let error = failure.map { $0.sqlstate + Bytes(": ".utf8) + $0.message }
            try rows.append([
                .text(line.node.id), .text(line.node.kind.rawValue), optional(line.node.query),
                optional(line.node.resultName), optional(line.node.left), optional(line.node.right),
                .text(line.state.status.rawValue), optional(line.state.result), optional(error),
                .timestamptz((line.state.updatedAt ?? row.createdAt).rawValue),
                optional(line.statusDetails),
            ])
        }
    }
}
