// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_http_swift)
func dfHTTP(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, Places(body: 2), multipart: false)
    }
}

@c(df_http_multipart_swift)
func dfHTTPMultipart(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, Places(body: 2), multipart: true)
    }
}

@c(df_http_retrying_swift)
func dfHTTPRetrying(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, Places(retries: 1, method: 5, body: 2), multipart: false)
    }
}

@c(df_http_multipart_retrying_swift)
func dfHTTPMultipartRetrying(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, Places(retries: 1, method: 5, body: 2), multipart: true)
    }
}

/// Where the arguments of the four functions stand.
private struct Places {
    var retries: Int?
    var method = 1
    /// The body or the parts; headers and timeout follow, then the options.
    var body: Int
}

private func request(
    _ call: borrowing SQLCall,
    _ places: Places,
    multipart: Bool
) throws(PostgresError) -> SQLValue {
    guard HTTPSettings.enabled.value else {
        throw PostgresError(
            .featureNotSupported,
            "df.http\(multipart ? "_multipart" : "")() is disabled",
            hint:
                "The setting is pg_durable.http_enabled; the original's build feature was 'http-allow-azure-domains'."
        )
    }
    guard !call.isNull(0) else { throw nullArgument(0, "url") }
    guard !call.isNull(places.method) else { throw nullArgument(places.method, "method") }
    let timeoutPlace = places.body + 2
    guard let timeout = try call.optionalInt32(timeoutPlace) else {
        throw nullArgument(timeoutPlace, "timeout_seconds")
    }
    var arguments = HTTPArguments(
        url: try call.text(0, atMost: Limits.graphSize, "url"),
        method: try call.text(places.method, atMost: Limits.nameSize, "method"),
        timeoutSeconds: timeout
    )
    if multipart {
        arguments.parts = try call.optionalJSONBText(places.body)
    } else {
        arguments.body = call.isNull(places.body) ? nil : try call.graph(places.body)
    }
    arguments.headers = try call.optionalJSONBText(places.body + 1)
    if let retriesPlace = places.retries {
        let after = timeoutPlace + 2
        guard let retries = try call.optionalInt32(retriesPlace) else {
            throw nullArgument(retriesPlace, "retries")
        }
        for (place, name) in [(after, "backoff"), (after + 1, "follow_redirects"), (after + 2, "on_unknown")]
        where call.isNull(place) { throw nullArgument(place, name) }
        arguments.options = HTTPOptions(
            retries: retries,
            backoffMilliseconds: try call.interval(after) / 1000,
            followsRedirects: try call.bool(after + 1),
            onUnknown: try call.text(after + 2, atMost: Limits.nameSize, "on_unknown")
        )
    }
    return try composed { () throws(EnvelopeError) in
        multipart ? try Compose.httpMultipart(arguments) : try Compose.http(arguments)
    }
}

// MARK: Rules

private func changeRule(
    _ call: borrowing SQLCall,
    _ function: StaticString,
    isAllowed: Bool?
) throws(PostgresError) -> SQLValue {
    try Access.checkWrite(function)
    try Access.checkSuperuser("must be superuser to call \(function)")
    let name = try call.text(0, atMost: Limits.nameSize, "role")
    let pattern = try call.text(1, atMost: Limits.nameSize, "pattern")
    guard HTTPHost.isPattern(pattern) else {
        throw PostgresError(
            .invalidParameterValue,
            "\"\(shown(pattern))\" is not a pattern of hosts",
            hint: "A pattern is a host name, *.domain, or *, and may end with :port."
        )
    }
    var role: UInt32 = 0
    if name != Bytes("public".utf8) {
        try check(
            name.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.flatMap { pgs_role_by_name($0, bytes.count, &role) }
            }
        )
        guard role != 0 else {
            throw PostgresError(.undefinedObject, "role \"\(shown(name))\" does not exist")
        }
    }
    try RequestRules.set(pattern, role: role, isAllowed: isAllowed)
    return .void
}

@c(df_http_allow_swift)
func dfHTTPAllow(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try changeRule(call, "df.http_allow()", isAllowed: true)
    }
}

@c(df_http_deny_swift)
func dfHTTPDeny(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try changeRule(call, "df.http_deny()", isAllowed: false)
    }
}

@c(df_http_forget_swift)
func dfHTTPForget(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try changeRule(call, "df.http_forget()", isAllowed: nil)
    }
}

@c(df_http_rules_swift)
func dfHTTPRules(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { _, rows throws(PostgresError) in
        try Access.check()
        for rule in try RequestRules.every() {
            let name = rule.role == 0 ? Bytes("public".utf8) : try Access.roleName(rule.role)
            guard let name else { continue }
            try rows.append([.text(name), .text(rule.pattern), .bool(rule.isAllowed)])
        }
    }
}
