// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// A request as it leaves: everything substituted, and what the policy says about it.
public struct HTTPRequest: Hashable, Sendable {
    public var url: Bytes
    public var method: Bytes
    public var body: Bytes?
    /// In the order in which they are sent.
    public var headers: [Header]
    /// Of the whole, in milliseconds.
    public var timeoutMilliseconds: Int64
    public var followsRedirects: Bool
    /// Whether the transport may send it a second time by itself, over another connection.
    public var mayRepeat = true
    public var policy = HTTPPolicy()
    /// Of an HTTP_MULTIPART node; its body is complete.
    public var isMultipart = false
    /// What is wrong with headers or parts; such a request never leaves.
    public var fault: StepFailure?

    public struct Header: Hashable, Sendable {
        public var name: Bytes
        public var value: Bytes

        public init(name: Bytes, value: Bytes) {
            self.name = name
            self.value = value
        }
    }
}

/// What the settings and the rules of a role allow its requests.
public struct HTTPPolicy: Hashable, Sendable {
    /// Patterns of hosts; when there are none every host is allowed.
    public var allowedHosts: [Bytes] = []
    /// Patterns of hosts that are refused whatever is allowed.
    public var deniedHosts: [Bytes] = []
    /// Whether addresses that are not public may be connected to.
    public var allowsPrivateNetworks = false
    /// Most bytes of a response's body.
    public var responseSizeMax: Int64 = 16 << 20

    public init() {}
}

/// What a peer, or the attempt to reach it, came to.
public struct HTTPAnswer: Hashable, Sendable {
    public enum Outcome: UInt8, Hashable, Sendable {
        case answered
        case connectFailed
        case timedOut
        case tooLarge
        case blocked
        case invalid
        case broken
        /// Broken off, or not to be decoded, in the middle of the body.
        case cutOff
    }

    public var outcome: Outcome
    public var status: Int32 = 0
    public var durationMilliseconds: Int64 = 0
    /// Lines `Name: value`, in the order received.
    public var headers: Bytes = []
    public var body: Bytes = []
    /// Of a failure.
    public var message: Bytes = []
    /// Of a failure that is a limit: which one.
    public var hint: Bytes = []
    /// How long it was allowed to take; 0 when nobody says.
    public var timeoutMilliseconds: Int64 = 0
    /// The last URL asked, as the transport writes it.
    public var url: Bytes = []
    /// Whether the request may have reached the peer.
    public var connected = false

    public init(_ outcome: Outcome) { self.outcome = outcome }
}

// Requests and answers cross shared memory between processes of one build: fields one after the other, numbers as
// eight bytes, texts with their length before them.

struct ByteWriter {
    private(set) var bytes: Bytes = []

    mutating func write(_ number: Int64) {
        let bits = UInt64(bitPattern: number)
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * shift))) }
    }

    mutating func write(_ text: Bytes) {
        write(Int64(text.count))
        bytes += text
    }

    /// -1 in the place of the length.
    mutating func write(_ text: Bytes?) {
        if let text { write(text) } else { write(Int64(-1)) }
    }
}

struct ByteReader {
    private let bytes: Bytes
    private var at = 0

    init(_ bytes: Bytes) { self.bytes = bytes }

    mutating func number() -> Int64? {
        guard bytes.count - at >= 8 else { return nil }
        var bits: UInt64 = 0
        for shift in 0..<8 { bits |= UInt64(bytes[at + shift]) << UInt64(8 * shift) }
        at += 8
        return Int64(bitPattern: bits)
    }

    /// A text that may be absent; nil when the bytes do not fit.
    mutating func optional() -> Bytes?? {
        guard let length = number(), length >= -1, length <= Int64(bytes.count - at) else { return nil }
        if length < 0 { return .some(nil) }
        let text = Bytes(bytes[at..<at + Int(length)])
        at += Int(length)
        return .some(text)
    }

    mutating func text() -> Bytes? {
        guard let found = optional() else { return nil }
        return found
    }

    /// A count of things that take at least eight bytes each.
    mutating func count() -> Int? {
        guard let count = number(), count >= 0, count <= Int64((bytes.count - at) / 8) else { return nil }
        return Int(count)
    }
}

extension HTTPRequest {
    /// The request as bytes.
    public func encoded() -> Bytes {
        var out = ByteWriter()
        out.write(url)
        out.write(method)
        out.write(body)
        out.write(Int64(headers.count))
        for header in headers {
            out.write(header.name)
            out.write(header.value)
        }
        out.write(timeoutMilliseconds)
        out.write(followsRedirects ? 1 : 0)
        out.write(mayRepeat ? 1 : 0)
        for list in [policy.allowedHosts, policy.deniedHosts] {
            out.write(Int64(list.count))
            for pattern in list { out.write(pattern) }
        }
        out.write(policy.allowsPrivateNetworks ? 1 : 0)
        out.write(policy.responseSizeMax)
        out.write(isMultipart ? 1 : 0)
        return out.bytes
    }

    /// The request that was encoded, or nil when the bytes are none.
    public init?(encoded bytes: Bytes) {
        var reader = ByteReader(bytes)
        guard let url = reader.text(), let method = reader.text(), let body = reader.optional(),
            let headers = HTTPRequest.headers(&reader),
            let timeout = reader.number(), let follows = reader.number(), let mayRepeat = reader.number(),
            let allowed = HTTPRequest.patterns(&reader), let denied = HTTPRequest.patterns(&reader),
            let isPrivate = reader.number(), let sizeMax = reader.number(), let multipart = reader.number()
        else { return nil }
        self.init(
            url: url,
            method: method,
            body: body,
            headers: headers,
            timeoutMilliseconds: timeout,
            followsRedirects: follows != 0
        )
        self.mayRepeat = mayRepeat != 0
        policy.allowedHosts = allowed
        policy.deniedHosts = denied
        policy.allowsPrivateNetworks = isPrivate != 0
        policy.responseSizeMax = sizeMax
        isMultipart = multipart != 0
    }

    private static func headers(_ reader: inout ByteReader) -> [Header]? {
        guard let count = reader.count() else { return nil }
        var headers: [Header] = []
        for _ in 0..<count {
            guard let name = reader.text(), let value = reader.text() else { return nil }
            headers.append(Header(name: name, value: value))
        }
        return headers
    }

    private static func patterns(_ reader: inout ByteReader) -> [Bytes]? {
        guard let count = reader.count() else { return nil }
        var patterns: [Bytes] = []
        for _ in 0..<count {
            guard let pattern = reader.text() else { return nil }
            patterns.append(pattern)
        }
        return patterns
    }
}

extension HTTPAnswer {
    /// The answer as bytes.
    public func encoded() -> Bytes { encodedHead(bodyCount: body.count) + body }

    /// What comes before the body, whose bytes are the end.
    public func encodedHead(bodyCount: Int) -> Bytes {
        var out = ByteWriter()
        out.write(Int64(outcome.rawValue))
        out.write(Int64(status))
        out.write(durationMilliseconds)
        out.write(timeoutMilliseconds)
        out.write(connected ? 1 : 0)
        for text in [headers, message, hint, url] { out.write(text) }
        out.write(Int64(bodyCount))
        return out.bytes
    }

    /// The answer that was encoded, or nil when the bytes are none.
    public init?(encoded bytes: Bytes) {
        var reader = ByteReader(bytes)
        guard let raw = reader.number(), let outcome = Outcome(rawValue: UInt8(clamping: raw)),
            let status = reader.number(), let duration = reader.number(), let timeout = reader.number(),
            let connected = reader.number(), let headers = reader.text(), let message = reader.text(),
            let hint = reader.text(), let url = reader.text(), let body = reader.text()
        else { return nil }
        self.init(outcome)
        self.status = Int32(clamping: status)
        durationMilliseconds = duration
        timeoutMilliseconds = timeout
        self.connected = connected != 0
        self.headers = headers
        self.message = message
        self.hint = hint
        self.url = url
        self.body = body
    }
}
