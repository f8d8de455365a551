// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

// Signals: rows that a wait of the instance consumes, each once, the oldest first.

@c(df_signal_swift)
func dfSignal(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.checkWrite("df.signal()")
        let id = try call.instanceID(0)
        guard !id.isEmpty else {
            throw PostgresError(.invalidParameterValue, "Instance ID cannot be empty")
        }
        let name = try call.text(1, atMost: Limits.nameSize, "signal name")
        guard !name.isEmpty else {
            throw PostgresError(.invalidParameterValue, "Signal name cannot be empty")
        }
        let text = try data(call)
        guard let row = try Access.visible(id, current: true) else {
            throw PostgresError(
                .undefinedObject,
                "Instance not found or access denied: \(shown(id))"
            )
        }
        // Nobody waits for it any more; as in the original that is no mistake of the sender's.
        if try !Storage.hasEnded(row.id) {
            let quota = SignalQuota(pendingMax: Settings.maxPendingSignals.value)
            try Starter.signal(row, name: name, data: try payload(text), quota: quota)
        }
        return .text(Bytes("OK".utf8))
    }
}

/// The payload as it was given.
private func data(_ call: borrowing SQLCall) throws(PostgresError) -> Bytes {
    let most = Settings.maxSignalSize.value * 1024
    guard try call.textSize(2) <= most else {
        throw PostgresError(
            .programLimitExceeded,
            "signal data exceeds the limit of \(most) bytes",
            hint: "pg_durable.max_signal_size is the limit; large data belongs in a table."
        )
    }
    return try call.text(2)
}

/// The payload as JSON: the text itself when it is JSON that the server can store, else a JSON string of it.
private func payload(_ text: Bytes) throws(PostgresError) -> Bytes {
    let quoted: Bytes = JSONText.quote(text)
    guard let document = try? JSONDocument(text) else { return quoted }
    if document.containsNUL {
        throw PostgresError(
            SQLState("22P05"),
            "unsupported Unicode escape sequence in signal data",
            detail: "\\u0000 cannot be converted to text."
        )
    }
    let json = document.compacted()
    // Numbers beyond the server's range, and the like.
    let storable = try Subtransaction.attempt { () throws(PostgresError) in
        _ = try JSONBText.canonical(json) as Bytes
    }
    guard case .success = storable else { return quoted }
    return json
}

@c(df_signals_swift)
func dfSignals(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)),
            try Storage.end(of: row.id, current: false) == nil
        else { return }
        try Storage.eachSignal(of: row.id) { name, data, sentAt throws(PostgresError) in
            try rows.append([.text(name), .jsonb(data), .timestamptz(sentAt.rawValue)])
        }
    }
}
