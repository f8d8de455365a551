// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What an answer means for the step.
public enum HTTPResult: Hashable, Sendable {
    /// The response envelope, JSON text.
    case completed(Bytes)
    case failed(StepFailure)
}

extension HTTPAnswer {
    /// What the step comes to, by the rules of the response: up to 4xx a result, from 5xx on a failure.
    ///
    /// `request` is what was asked, for the texts. `canStore` says whether the database's encoding has a text.
    public func result<E: Error>(
        of request: HTTPRequest,
        _ limits: HTTPLimits,
        canStore: (Bytes) throws(E) -> Bool
    ) throws(E) -> HTTPResult {
        guard outcome == .answered else { return .failed(failure(request, limits)) }
        let content = try content(canStore)
        if status >= 500 { return .failed(serverFailure(request, content)) }
        guard JSONText.quotedCount(content.text) <= limits.resultSizeMax else {
            return .failed(limits.resultTooLarge)
        }
        let envelope = try envelope(content, canStore)
        return envelope.count <= limits.resultSizeMax ? .completed(envelope) : .failed(limits.resultTooLarge)
    }

    private func failure(_ request: HTTPRequest, _ limits: HTTPLimits) -> StepFailure {
        switch outcome {
        case .blocked:
            return StepFailure(sqlstate: Bytes("42501".utf8), message: message)
        case .timedOut:
            return timeoutFailure(request, limits)
        case .connectFailed:
            let text =
                Bytes("HTTP connection failed: ".utf8) + request.url
                + Bytes(" - error sending request for url (".utf8) + (url.isEmpty ? request.url : url)
                + Bytes(")".utf8)
            return StepFailure(sqlstate: Bytes("08001".utf8), message: text, detail: message)
        case .tooLarge:
            guard !message.isEmpty else { return limits.responseTooLarge }
            return StepFailure(sqlstate: Bytes("54000".utf8), message: message, hint: hint)
        case .cutOff:
            let text = Bytes("Failed to read response body: ".utf8) + message
            return StepFailure(sqlstate: Bytes("08006".utf8), message: text)
        case .invalid:
            return .invalidParameter(Bytes("Invalid HTTP request: ".utf8) + message)
        case .broken, .answered:
            let text = Bytes("HTTP request failed: ".utf8) + message
            return StepFailure(sqlstate: Bytes("08006".utf8), message: text)
        }
    }

    /// Whether another attempt may succeed where this one did not.
    public var isWorthRetrying: Bool {
        switch outcome {
        case .answered: status == 429 || status >= 500
        case .timedOut, .connectFailed, .broken, .cutOff: true
        case .tooLarge, .blocked, .invalid: false
        }
    }

    /// Whether the peer may have acted on the request: what it turned away itself, it has not.
    public var mayHaveActed: Bool {
        outcome == .answered ? status != 429 && status != 503 : connected
    }

    /// How long to wait before attempt `attempt` + 1, in microseconds.
    ///
    /// What the peer asks for in Retry-After of a 429 or 503, at most a day, else the backoff doubled for each
    /// attempt, at most an hour, with a jitter of up to half. `jitter` is any number, `now` the wall clock.
    public func pause(
        after attempt: Int32,
        _ delivery: HTTPDelivery,
        jitter: UInt64,
        now: Timestamp
    ) -> Int64 {
        if outcome == .answered, status == 429 || status == 503, let text = header("retry-after"),
            let asked = HTTPAnswer.retryAfter(text, now: now)
        {
            return min(max(asked, 0), 86_400_000_000)
        }
        let doublings = min(max(attempt - 1, 0), 22)
        let (wide, overflow) = delivery.backoffMilliseconds.multipliedReportingOverflow(
            by: 1 << Int64(doublings)
        )
        let whole = overflow ? 3_600_000 : min(max(wide, 0), 3_600_000)
        let less = whole / 2 > 0 ? Int64(jitter % UInt64(whole / 2 + 1)) : 0
        return (whole - less) * 1000
    }

    /// Seconds, or a date of HTTP ("Sun, 06 Nov 1994 08:49:37 GMT"); in microseconds from now.
    static func retryAfter(_ text: Bytes, now: Timestamp) -> Int64? {
        // The number may be any, and is saturated when it is larger.
        if let seconds = DecimalInteger.parse(text) { return min(max(seconds, 0), 86_400) * 1_000_000 }
        guard let date = HTTPDate.parse(text) else { return nil }
        let (wait, overflow) = date.rawValue.subtractingReportingOverflow(now.rawValue)
        return overflow ? nil : wait
    }

    /// The value of the last field of this name, which is given in lower case.
    func header(_ name: String) -> Bytes? { fields.last { $0.name == Bytes(name.utf8) }?.value }

    /// Names in lower case; fields that are not UTF-8 are left out.
    var fields: [(name: Bytes, value: Bytes)] {
        headers.split(separator: 0x0A).compactMap { line in
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let blank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            let value = line[(colon + 1)...].drop(while: blank).reversed().drop(while: blank)
            let fields = (HTTPHost.lowercased(Bytes(line[..<colon])), Bytes(value.reversed()))
            return UTF8Bytes.malformedOffset(fields.0) == nil && UTF8Bytes.malformedOffset(fields.1) == nil
                ? fields : nil
        }
    }

    private func content<E: Error>(
        _ canStore: (Bytes) throws(E) -> Bool
    ) throws(E) -> (text: Bytes, isText: Bool) {
        let declared = header("content-type").map(HTTPAnswer.isTextual) ?? false
        var text: Bytes?
        if UTF8Bytes.malformedOffset(body) == nil {
            text = body
        } else if declared {
            text = Bytes(String(decoding: body, as: UTF8.self).utf8)
        }
        // NUL, and what the database's encoding lacks, cannot be stored as text.
        if let text, !text.contains(0), try canStore(text) { return (text, true) }
        return (Base64.encode(body), false)
    }

    /// By the part of a Content-Type before the first comma and semicolon.
    static func isTextual(_ contentType: Bytes) -> Bool {
        let end = contentType.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ";") }
        let type = HTTPHost.lowercased(Bytes(contentType[..<(end ?? contentType.endIndex)]))
            .filter { $0 > 0x20 }
        func ends(_ suffix: String) -> Bool { type.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
        return type.starts(with: Bytes("text/".utf8)) || ends("+json") || ends("+xml") || ends("+yaml")
            || textual.contains(type)
    }

    private static let textual = Set(
        [
            "json", "xml", "javascript", "ecmascript", "x-www-form-urlencoded", "graphql", "yaml", "x-yaml",
        ].map { Bytes("application/\($0)".utf8) }
    )

    private func envelope<E: Error>(
        _ content: (text: Bytes, isText: Bool),
        _ canStore: (Bytes) throws(E) -> Bool
    ) throws(E) -> Bytes {
        var out = JSONObjectWriter()
        out.member("status", integer: Int64(status))
        out.member("body", string: content.text)
        out.member("encoding", string: Bytes((content.isText ? "text" : "base64").utf8))
        var fields = JSONObjectWriter()
        var seen: [Bytes: Bytes] = [:]
        var order: [Bytes] = []
        for field in self.fields where !field.value.contains(0) {
            guard try canStore(field.name + field.value) else { continue }
            if seen.updateValue(field.value, forKey: field.name) == nil { order.append(field.name) }
        }
        for name in order { fields.member(key: name, raw: JSONText.quote(seen[name] ?? [])) }
        out.member("headers", raw: fields.finish())
        out.member("ok", bool: (200...299).contains(status))
        out.member("duration_ms", integer: durationMilliseconds)
        return out.finish()
    }

    /// With the time that it was really given, which the settings may have shortened.
    private func timeoutFailure(_ request: HTTPRequest, _ limits: HTTPLimits) -> StepFailure {
        let asked = min(request.timeoutMilliseconds, limits.timeoutMaxMilliseconds)
        let allowed = (timeoutMilliseconds > 0 ? timeoutMilliseconds : asked) / 1000
        let isCut = allowed < request.timeoutMilliseconds / 1000
        let hint = "The step asks for more; \"pg_durable.http_max_timeout\" is \(allowed) seconds."
        return StepFailure(
            sqlstate: Bytes("57014".utf8),
            message: Bytes("HTTP timeout after \(allowed)s: ".utf8) + request.url,
            hint: isCut ? Bytes(hint.utf8) : nil
        )
    }

    private func serverFailure(
        _ request: HTTPRequest,
        _ content: (text: Bytes, isText: Bool)
    ) -> StepFailure {
        let kind = request.isMultipart ? "HTTP_MULTIPART " : "HTTP "
        var text = Bytes(kind.utf8) + request.method + Bytes(" ".utf8) + request.url
        text += Bytes(" returned \(status): ".utf8)
        let previewMax = 512
        if content.text.count <= previewMax {
            text += content.text
        } else {
            var end = previewMax
            while end > 0, content.text[end] & 0xC0 == 0x80 { end -= 1 }
            text += content.text[..<end]
            let unit = content.isText ? "bytes" : "base64 characters"
            text += Bytes("... [truncated, \(content.text.count) \(unit) total]".utf8)
        }
        return StepFailure(sqlstate: Bytes("08P01".utf8), message: text)
    }
}
