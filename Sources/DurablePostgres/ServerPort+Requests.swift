// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableCore
public import DurableModel
public import DurableRuntime
public import PostgresExtension

/// What the composition root takes from the settings about requests over the network.
public struct RequestSettings: Sendable {
    public var isEnabled = true
    public var allowedHosts: [Bytes] = []
    public var allowsPrivateNetworks = false
    public var limits = HTTPLimits()

    public init() {}
}

// Requests leave through a process without a database: this side keeps them in shared memory and looks for answers.
extension ServerPort {
    public mutating func requestState(_ place: RequestPlace) throws(PostgresError) -> RequestState {
        var state = PGS_QUESTION_UNKNOWN
        var bytes: UnsafeMutablePointer<UInt8>?
        var length = 0
        try check(
            pgs_question_look(
                place.instance.rawValue,
                place.branch.rawValue,
                place.sequence,
                &state,
                &bytes,
                &length
            )
        )
        defer { pgs_bytes_free(bytes) }
        switch state {
        case PGS_QUESTION_WAITING: return .waiting
        case PGS_QUESTION_ANSWERED:
            let answer = HTTPAnswer(encoded: Bytes(UnsafeBufferPointer(start: bytes, count: length)))
            return answer.map(RequestState.answered) ?? .unknown
        default: return .unknown
        }
    }

    public mutating func holdRequest(
        _ request: HTTPRequest,
        isMultipart: Bool,
        _ place: RequestPlace
    ) throws(PostgresError) -> RequestHold {
        let role = role
        let settings = requests
        let refusal = try ServerPort.transaction { () throws(PostgresError) in
            try ServerPort.refusal(of: request, isMultipart: isMultipart, role: role, settings)
        }
        if let refusal { return .refused(refusal) }
        var request = request
        request.policy.allowsPrivateNetworks = settings.allowsPrivateNetworks
        request.policy.responseSizeMax = settings.limits.responseSizeMax
        request.timeoutMilliseconds = min(request.timeoutMilliseconds, settings.limits.timeoutMaxMilliseconds)
        let rules = try ServerPort.transaction { () throws(PostgresError) in
            try RequestRules.all(of: role)
        }
        request.policy.allowedHosts = settings.allowedHosts + rules.filter(\.isAllowed).map(\.pattern)
        request.policy.deniedHosts = rules.filter { !$0.isAllowed }.map(\.pattern)
        if let refusal = request.refusal { return .refused(refusal) }
        let bytes = request.encoded()
        guard bytes.count <= settings.limits.requestSizeMax else {
            return .refused(settings.limits.requestTooLarge)
        }
        var result = PGS_QUESTION_MUST_WAIT
        try check(
            bytes.withUnsafeBufferPointer { buffer in
                buffer.baseAddress.flatMap {
                    pgs_question_hold(
                        role,
                        place.instance.rawValue,
                        place.branch.rawValue,
                        place.sequence,
                        RequestGroup.number(of: request.url),
                        $0,
                        buffer.count,
                        &result
                    )
                }
            }
        )
        switch result {
        case PGS_QUESTION_ASKED: return .held
        case PGS_QUESTION_TOO_LARGE: return .refused(settings.limits.requestTooLargeForMemory)
        default: return .mustWait
        }
    }

    public mutating func sendRequest(_ place: RequestPlace) {
        pgs_question_release(place.instance.rawValue, place.branch.rawValue, place.sequence)
    }

    public mutating func giveBackRequest(_ place: RequestPlace) {
        pgs_question_give_back(place.instance.rawValue, place.branch.rawValue, place.sequence)
    }

    public mutating func dropRequests(of instance: InstanceID) { pgs_question_drop(role, instance.rawValue) }

    /// Whatever was asked for the steps, branches and instance that this checkpoint ends goes when it is committed.
    func dropRequests(_ checkpoint: Checkpoint, of instance: InstanceID) throws(PostgresError) {
        // The end of an instance drops all of it (CheckpointWriter.end).
        guard checkpoint.outcome == nil else { return }
        for entry in checkpoint.entries {
            if case .attemptStarted = entry.event { continue }
            try check(pgs_question_drop_at_commit(instance.rawValue, entry.branch.rawValue))
        }
        for branch in checkpoint.deactivated {
            try check(pgs_question_drop_at_commit(instance.rawValue, branch.rawValue))
        }
    }

    public mutating func canStore(_ text: Bytes) throws(PostgresError) -> Bool {
        // Nothing but the text itself decides then, and no transaction is needed.
        if pgs_server_is_utf8() { return UTF8Bytes.malformedOffset(text) == nil }
        if text.allSatisfy({ $0 > 0 && $0 < 0x80 }) { return true }
        var isStorable = false
        try ServerPort.transaction { () throws(PostgresError) in
            try check(
                text.withUnsafeBufferPointer { buffer in
                    buffer.baseAddress.flatMap { pgs_text_is_storable($0, buffer.count, &isStorable) }
                }
            )
        }
        return isStorable
    }

    public mutating func random() -> UInt64 { UInt64(pgs_random32()) << 32 | UInt64(pgs_random32()) }

    /// Whether a role has EXECUTE on `df.http`, or `df.http_multipart`, of five arguments.
    public static func mayRequest(_ role: UInt32, isMultipart: Bool) throws(PostgresError) -> Bool {
        let (text, json, int4): (UInt32, UInt32, UInt32) = (25, 3802, 23)
        let types = isMultipart ? [text, text, json, json, int4] : [text, text, text, json, int4]
        let name: StaticString = isMultipart ? "http_multipart" : "http"
        var may = false
        try check(
            types.withUnsafeBufferPointer { types in
                types.baseAddress.flatMap {
                    pgs_may_execute(role, "df", name.cString, $0, Int32(types.count), &may)
                }
            }
        )
        return may
    }

    /// Why this role may not ask at all now; the rest is decided where the request leaves.
    private static func refusal(
        of request: HTTPRequest,
        isMultipart: Bool,
        role: UInt32,
        _ settings: RequestSettings
    ) throws(PostgresError) -> StepFailure? {
        guard try mayRequest(role, isMultipart: isMultipart) else {
            let name: StaticString = isMultipart ? "http_multipart" : "http"
            var shown: UnsafePointer<UInt8>?
            var length = 0
            try check(pgs_role_name(role, &shown, &length))
            let roleName = Bytes(UnsafeBufferPointer(start: shown, count: length))
            return StepFailure(
                sqlstate: Bytes("42501".utf8),
                message: Bytes("role \"".utf8) + roleName
                    + Bytes("\" does not have EXECUTE privilege on df.\(name)()".utf8),
                hint: Bytes("A superuser grants it with df.grant_usage(role, include_http => true).".utf8)
            )
        }
        guard settings.isEnabled else {
            return StepFailure(
                sqlstate: Bytes("42501".utf8),
                message: Bytes("\(HTTPPolicy.disabled)".utf8),
                hint: Bytes("The setting is pg_durable.http_enabled.".utf8)
            )
        }
        // A list that cannot be read may have meant anything.
        if let item = settings.allowedHosts.first(where: { !HTTPHost.isPattern($0) }) {
            return StepFailure(
                sqlstate: Bytes("42501".utf8),
                message: Bytes("Blocked: \"pg_durable.http_allowed_hosts\" cannot be read".utf8),
                detail: Bytes("\"".utf8) + item + Bytes("\" in it is not a pattern of hosts.".utf8)
            )
        }
        return nil
    }
}

/// What requests to one destination have in common, for the limit per host.
enum RequestGroup {
    /// A hash of scheme, host and port, in one letter case and without a port that goes without saying.
    static func number(of url: Bytes) -> UInt32 {
        var origin: Bytes = []
        var slashes = 0
        for byte in url {
            if byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "?")
                || byte == UInt8(ascii: "#")
            {
                slashes += 1
                if slashes > 2 { break }
            }
            origin.append(byte >= 0x41 && byte <= 0x5A ? byte + 0x20 : byte)
        }
        let usual = origin.starts(with: Bytes("https".utf8)) ? ":443" : ":80"
        if origin.suffix(usual.utf8.count).elementsEqual(usual.utf8) { origin.removeLast(usual.utf8.count) }
        if origin.last == UInt8(ascii: ".") { origin.removeLast() }
        var hash: UInt32 = 2_166_136_261
        for byte in origin { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return max(hash, 1)
    }
}
