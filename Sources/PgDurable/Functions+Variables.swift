// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

private func change(
    _ function: StaticString,
    refusal: String,
    _ body: (_ role: UInt32, _ roleName: Bytes) throws(PostgresError) -> Void
) throws(PostgresError) -> SQLValue {
    if try Access.isInWorkflow() {
        throw PostgresError(
            .objectNotInPrerequisiteState,
            "\(function) cannot be called inside a workflow - \(refusal)"
        )
    }
    try Access.checkWrite(function)
    let role = pgs_user_current()
    let roleName = try Access.roleName(role) ?? []
    try Storage.access { () throws(PostgresError) in try body(role, roleName) }
    SameStatementGuard.mark(function)
    return .text(Bytes("OK".utf8))
}

@c(df_setvar_swift)
func dfSetvar(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let name = try call.text(0, atMost: Limits.nameSize, "variable name")
        let value = try call.text(1, atMost: Limits.variablesSize, "variable")
        return try change("df.setvar()", refusal: "set variables before starting the workflow") {
            role,
            roleName throws(PostgresError) in
            let others = try Variables.all(of: role, current: true).filter { $0.name != name }
            let size = others.reduce(name.count + value.count) {
                $0 + $1.name.count + $1.value.count
            }
            guard size <= Limits.variablesSize else {
                throw PostgresError(
                    .programLimitExceeded,
                    "Failed to set variable: variables of a role exceed 1 MB",
                    hint: "Remove some with df.unsetvar()."
                )
            }
            try Variables.set(name, to: value, role: role, roleName: roleName)
        }
    }
}

@c(df_unsetvar_swift)
func dfUnsetvar(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let name = try call.text(0, atMost: Limits.nameSize, "variable name")
        return try change("df.unsetvar()", refusal: "manage variables before starting the workflow") {
            role,
            roleName throws(PostgresError) in
            try Variables.set(name, to: nil, role: role, roleName: roleName)
        }
    }
}

@c(df_clearvars_swift)
func dfClearvars(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        try change("df.clearvars()", refusal: "manage variables before starting the workflow") {
            role,
            roleName throws(PostgresError) in
            for variable in try Variables.all(of: role, current: true) {
                try Variables.set(variable.name, to: nil, role: role, roleName: roleName)
            }
        }
    }
}

@c(df_getvar_swift)
func dfGetvar(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        let name = try call.text(0, atMost: Limits.nameSize, "variable name")
        let value = try Storage.access { () throws(PostgresError) in
            try Variables.value(name, of: pgs_user_current())
        }
        return value.map(SQLValue.text) ?? .null
    }
}
