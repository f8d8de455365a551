// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_http_swift)
func dfHTTP(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, .plain, hasOptions: false)
    }
}

@c(df_http_multipart_swift)
func dfHTTPMultipart(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, .multipart, hasOptions: false)
    }
}

@c(df_http_delivered_swift)
func dfHTTPDelivered(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, .plain, hasOptions: true)
    }
}

@c(df_http_multipart_delivered_swift)
func dfHTTPMultipartDelivered(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try request(call, .multipart, hasOptions: true)
    }
}

/// The two functions, and the arguments that they have in common.
private struct RequestFunction {
    var name: StaticString
    var isMultipart: Bool

    static let plain = RequestFunction(name: "http", isMultipart: false)
    static let multipart = RequestFunction(name: "http_multipart", isMultipart: true)
}

private func request(
    _ call: borrowing SQLCall,
    _ function: RequestFunction,
    hasOptions: Bool
) throws(PostgresError) -> SQLValue {
    if hasOptions { try Access.checkRequests(function.name, isMultipart: function.isMultipart) }
    guard HTTPSettings.enabled.value else {
        throw PostgresError(
            .featureNotSupported,
            "df.\(function.name)() is disabled",
            hint:
                "The setting is pg_durable.http_enabled; the original's build feature was 'http-allow-azure-domains'."
        )
    }
    for (place, name) in [(0, "url"), (1, "method")] where call.isNull(place) {
        throw nullArgument(place, name)
    }
    guard let timeout = try call.optionalInt32(4) else { throw nullArgument(4, "timeout_seconds") }
    var arguments = HTTPArguments(
        url: try call.text(0, atMost: Limits.graphSize, "url"),
        method: try call.text(1, atMost: Limits.nameSize, "method"),
        timeoutSeconds: timeout
    )
    if function.isMultipart {
        arguments.parts = try call.optionalJSONBText(2)
    } else {
        arguments.body = call.isNull(2) ? nil : try call.graph(2)
    }
    arguments.headers = try call.optionalJSONBText(3)
    if hasOptions { arguments.options = try options(call) }
    return try composed { () throws(EnvelopeError) in
        function.isMultipart ? try Compose.httpMultipart(arguments) : try Compose.http(arguments)
    }
}

private func options(_ call: borrowing SQLCall) throws(PostgresError) -> HTTPOptions {
    for (place, name) in [(5, "follow_redirects"), (6, "retries"), (7, "backoff"), (8, "on_unknown")]
    where call.isNull(place) {
        throw nullArgument(place, name)
    }
    return HTTPOptions(
        followsRedirects: try call.bool(5),
        retries: try call.optionalInt32(6) ?? 0,
        backoffMilliseconds: try call.interval(7) / 1000,
        onUnknown: try call.text(8, atMost: Limits.nameSize, "on_unknown")
    )
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
    guard isAllowed == nil || HTTPHost.isPattern(pattern) else {
        throw PostgresError(
            .invalidParameterValue,
            "\"\(shown(pattern))\" is not a pattern of hosts",
            hint:
                "A pattern is a host name in ASCII (xn--…), an address as it is usually written, *.domain, or *; "
                + "it may end with :port."
        )
    }
    guard try RequestRules.set(pattern, roleName: name, isAllowed: isAllowed) else {
        throw PostgresError(.undefinedObject, "role \"\(shown(name))\" does not exist")
    }
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
            let name = rule.isCopied ? nil : try Access.roleName(rule.role)
            try rows.append([.text(name ?? rule.roleName), .text(rule.pattern), .bool(rule.isAllowed)])
        }
    }
}
