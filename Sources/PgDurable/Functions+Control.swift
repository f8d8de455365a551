// SPDX-License-Identifier: PostgreSQL

public import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@_cdecl("df_cancel_swift")
public func dfCancel(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.checkWrite("df.cancel()")
        let (id, reason) = (try call.text(0), try call.text(1))
        guard let row = try Access.visible(id, current: true) else {
            throw PostgresError(.undefinedObject, "Instance not found or access denied: \(shown(id))")
        }
        if try Storage.ended(row.id, current: true) == nil,
            try Storage.cancelReason(row.id, current: true) == nil
        {
            try Starter.requestCancel(row, reason: reason)
        }
        return .text("Instance \(shown(id)) cancelled: \(shown(reason))")
    }
}

/// For messages.
func shown(_ text: Bytes) -> String { String(decoding: text, as: UTF8.self) }

@_cdecl("df_status_swift")
public func dfStatus(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.text(0)) else { return .null }
        return .text(try InstanceState.status(of: row, current: false).rawValue)
    }
}

@_cdecl("df_result_swift")
public func dfResult(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.text(0)),
            case .completed(let value) = try Storage.ended(row.id, current: false)?.outcome
        else { return .null }
        return .text(try JSONBText.canonical(value))
    }
}

@_cdecl("df_version_swift")
public func dfVersion(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in .text(Version.text) }
}

@_cdecl("df_adopt_swift")
public func dfAdopt(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        try Access.checkWrite("df.adopt()")
        try Access.checkSuperuser("must be superuser to call df.adopt()")
        return .int8(try Adoption.run())
    }
}

@_cdecl("df_initialize_swift")
public func dfInitialize(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum
{
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in
        try Access.checkSuperuser("only CREATE EXTENSION may call this function")
        try Installation.check()
        try Catalog.initialize()
        return .void
    }
}

@_cdecl("df_me_swift")
public func dfMe(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in .oid(pgs_user_current()) }
}

@_cdecl("df_sees_all_swift")
public func dfSeesAll(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in .bool(try Access.seesAll()) }
}
