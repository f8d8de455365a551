// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_cancel_swift)
func dfCancel(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.checkWrite("df.cancel()")
        let id = try call.instanceID(0)
        let reason = try call.text(1, atMost: Limits.reasonSize, "reason")
        guard let row = try Access.visible(id, current: true) else {
            throw PostgresError(
                .undefinedObject,
                "Instance not found or access denied: \(shown(id))"
            )
        }
        if try !Storage.hasEnded(row.id),
            try Storage.cancelReason(row.id, current: true) == nil
        {
            try Starter.requestCancel(row, reason: reason)
        }
        return .text("Instance \(shown(id)) cancelled: \(shown(reason))")
    }
}

@c(df_status_swift)
func dfStatus(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQuery(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)) else { return .null }
        return .text(try InstanceState.status(of: row, current: false).rawValue)
    }
}

@c(df_result_swift)
func dfResult(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQuery(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)),
            case .completed(let value) = try Storage.ended(row.id, current: false)?.outcome
        else { return .null }
        return .text(try JSONBText.canonical(value))
    }
}

@c(df_version_swift)
func dfVersion(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in .text(Version.text) }
}

@c(df_adopt_swift)
func dfAdopt(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        try Access.checkWrite("df.adopt()")
        try Access.checkSuperuser("must be superuser to call df.adopt()")
        return .int8(try Adoption.run())
    }
}

@c(df_initialize_swift)
func dfInitialize(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        try Access.checkSuperuser("only CREATE EXTENSION may call this function")
        try Installation.check()
        try Catalog.initialize()
        return .void
    }
}

@c(df_me_swift)
func dfMe(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        // A view of somebody else's over df.instances needs no look-up of a name in df.
        try Access.check()
        return .oid(pgs_user_current())
    }
}

@c(df_sees_all_swift)
func dfSeesAll(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        try Access.check()
        return .bool(try Access.seesAll())
    }
}

@c(df_at_home_swift)
func dfAtHome(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        return .bool(try Access.isAtHome(try call.int64(0), roleName: try call.text(1)))
    }
}
