// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The arguments of `df.http` and `df.http_multipart` as SQL gives them.
public struct HTTPArguments: Sendable {
    public var url: Bytes
    public var method: Bytes
    public var body: Bytes?
    /// JSON text; nil for none.
    public var parts: Bytes?
    /// JSON text; nil for none.
    public var headers: Bytes?
    public var timeoutSeconds: Int32
    public var options: HTTPOptions?

    public init(url: Bytes, method: Bytes, timeoutSeconds: Int32) {
        self.url = url
        self.method = method
        self.timeoutSeconds = timeoutSeconds
    }
}

/// What the original does not have: when to ask again, and where a redirect may lead.
public struct HTTPOptions: Sendable {
    public var followsRedirects: Bool
    public var retries: Int32
    public var backoffMilliseconds: Int64
    /// "retry" or "fail".
    public var onUnknown: Bytes

    public init(followsRedirects: Bool, retries: Int32, backoffMilliseconds: Int64, onUnknown: Bytes) {
        self.followsRedirects = followsRedirects
        self.retries = retries
        self.backoffMilliseconds = backoffMilliseconds
        self.onUnknown = onUnknown
    }
}

extension Compose {
    /// `df.http`: asks a peer and returns what it answers.
    public static func http(_ arguments: HTTPArguments) throws(EnvelopeError) -> Bytes {
        let method = try checkRequest(arguments, multipart: false)
        var config = JSONObjectWriter()
        config.member("url", string: try checked(arguments.url))
        config.member("method", string: method)
        config.member("body", string: try arguments.body.map(checked))
        try finish(&config, arguments)
        return EnvelopeNode(kind: .http, query: config.finish()).print()
    }

    /// `df.http_multipart`: the same with a body of parts, whose contents are looked at when it runs.
    public static func httpMultipart(_ arguments: HTTPArguments) throws(EnvelopeError) -> Bytes {
        let method = try checkRequest(arguments, multipart: true)
        guard let parts = arguments.parts else {
            throw EnvelopeError(.invalidParameterValue, "parts is required and cannot be NULL")
        }
        let list = JSONDocument.parse(parts)?.root
        guard let list, list.kind == .array else {
            throw EnvelopeError(.invalidParameterValue, "parts must be a JSON array of part objects")
        }
        guard list.count > 0 else {
            throw EnvelopeError(.invalidParameterValue, "parts must contain at least one part")
        }
        var config = JSONObjectWriter()
        config.member("url", string: try checked(arguments.url))
        config.member("method", string: method)
        config.member("parts", raw: list.compacted())
        try finish(&config, arguments)
        return EnvelopeNode(kind: .httpMultipart, query: config.finish()).print()
    }

    private static func finish(
        _ config: inout JSONObjectWriter,
        _ arguments: HTTPArguments
    ) throws(EnvelopeError) {
        let headers = arguments.headers.flatMap { JSONDocument.parse($0)?.root }
        config.member("headers", raw: headers?.compacted() ?? Bytes("null".utf8))
        config.member("timeout_seconds", integer: Int64(arguments.timeoutSeconds))
        guard let options = arguments.options else { return }
        guard (0...HTTPNode.retriesMax).contains(Int64(options.retries)) else {
            throw EnvelopeError(
                .invalidParameterValue,
                "retries must be between 0 and \(Bytes("\(HTTPNode.retriesMax)".utf8))"
            )
        }
        guard options.backoffMilliseconds >= 0 else {
            throw EnvelopeError(.invalidParameterValue, "backoff must not be negative")
        }
        guard [Bytes("retry".utf8), Bytes("fail".utf8)].contains(options.onUnknown) else {
            throw EnvelopeError(.invalidParameterValue, "on_unknown must be 'retry' or 'fail'")
        }
        // What is as it would be anyway is left out: the envelope is then the one of the functions without options.
        let usual = HTTPDelivery()
        if options.followsRedirects { config.member("follow_redirects", bool: true) }
        if options.retries != usual.retries { config.member("retries", integer: Int64(options.retries)) }
        if options.backoffMilliseconds != usual.backoffMilliseconds {
            config.member("backoff_milliseconds", integer: options.backoffMilliseconds)
        }
        if options.onUnknown != Bytes("retry".utf8) { config.member("on_unknown", string: options.onUnknown) }
    }

    /// Scheme, method and timeout, in this order; the method in upper case.
    private static func checkRequest(
        _ arguments: HTTPArguments,
        multipart: Bool
    ) throws(EnvelopeError) -> Bytes {
        let url = arguments.url
        if !url.contains(UInt8(ascii: "{")) {
            let scheme = HTTPURL.scheme(of: url)
            guard HTTPURL.isAllowed(scheme: scheme) else {
                throw EnvelopeError(
                    .invalidParameterValue,
                    "Blocked: unsupported URL scheme '\(quoting: scheme)'. Only http and https are allowed."
                )
            }
        }
        let method = Bytes(
            arguments.method.map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 0x20 : $0 }
        )
        let methods = HTTPNode.methods(multipart: multipart)
        guard methods.contains(method) else {
            let subject: ByteText = multipart ? "Invalid HTTP method for multipart" : "Invalid HTTP method"
            let list = Bytes(methods.joined(separator: Bytes(", ".utf8)))
            throw EnvelopeError(
                .invalidParameterValue,
                "\(subject.bytes): \(quoting: arguments.method). Must be one of \(list)"
            )
        }
        guard arguments.timeoutSeconds > 0 else {
            throw EnvelopeError(.invalidParameterValue, "Timeout must be positive")
        }
        return method
    }
}
