// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_instance_info_swift)
func dfInstanceInfo(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)) else { return }
        let report = try InstanceReport(row)
        try rows.append([
            .text(row.publicID), optional(row.label), .text(OriginalNames.function),
            .text(OriginalNames.functionVersion),
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
                optional(try JSONBText.canonical(line.statusDetails)),
                .text(line.state.inferredStatus.rawValue),
                optional(line.inferredFrom),
                .timestamptz((line.state.updatedAt ?? row.createdAt).rawValue),
            ])
        }
    }
}

@c(df_instance_nodes_legacy_swift)
func dfInstanceNodesLegacy(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)) else { return }
        for line in try InstanceReport(row).lines() {
            try check(pgs_interrupts_check())
            try rows.append([
                .int8(1), .text(line.node.id), .text(line.node.kind.rawValue), optional(line.node.query),
                optional(line.node.resultName), optional(line.node.left), optional(line.node.right),
                .text(line.state.status.rawValue),
                optional(try JSONBText.canonical(line.state.result)),
                .timestamptz((line.state.updatedAt ?? row.createdAt).rawValue),
            ])
        }
    }
}

/// Behind the triggers of the views that show what the engine wrote.
@c(df_refuse_write_swift)
func dfRefuseWrite(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        throw PostgresError(
            .insufficientPrivilege,
            "permission denied for view \(shown(try call.triggerRelation()))",
            detail: "Its rows are written by the functions of schema df only, whoever asks.",
            hint:
                "Use df.start(), df.signal() and df.cancel(), and for variables df.setvar() and df.unsetvar()."
        )
    }
}

// What the views df.instances and df.nodes are made of. The views call these for rows that they let through, but a
// view's condition may be evaluated late, so that each checks for itself.

@c(df_instance_state_swift)
func dfInstanceState(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(InstanceID(rawValue: try call.int64(0))) else { return }
        guard let status = try InstanceState.statusIfReadable(of: row) else { return }
        let end = try Storage.end(of: row.id, current: false)
        let updated = if let end { end.at } else { try InstanceState.changedAt(row) }
        try rows.append([
            .text(status.rawValue), .timestamptz(updated.rawValue),
            status == .completed ? .timestamptz(updated.rawValue) : .null,
            .text(NodeID.hex(instance: row.id, node: .root)),
        ])
    }
}

@c(df_stored_nodes_swift)
func dfStoredNodes(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(InstanceID(rawValue: try call.int64(0))) else { return }
        guard let report = try InstanceReport.ifReadable(row) else { return }
        for line in report.lines() {
            try rows.append([
                .text(line.node.id), .text(line.node.kind.rawValue), optional(line.node.query),
                optional(line.node.resultName), optional(line.node.left), optional(line.node.right),
                .text(line.state.status.rawValue), optional(line.state.result), optional(line.error),
                .timestamptz((line.state.updatedAt ?? row.createdAt).rawValue),
                optional(line.statusDetails),
            ])
        }
    }
}
