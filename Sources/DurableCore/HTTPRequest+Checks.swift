// SPDX-License-Identifier: PostgreSQL

public import DurableModel

// What can be said against a request before anything is sent. The transport asks the policy again, about the host that
// its own parser finds, for every hop: what is let through here is not thereby allowed.
extension HTTPRequest {
    /// Why the request must not be sent, as far as its text tells; the first of several reasons.
    public var refusal: StepFailure? {
        let scheme = HTTPURL.scheme(of: url)
        guard HTTPURL.isAllowed(scheme: scheme) else {
            let text: ByteText =
                "Blocked: unsupported URL scheme '\(quoting: scheme)'. Only http and https are allowed."
            return StepFailure(sqlstate: Bytes("42501".utf8), message: text.bytes)
        }
        guard let authority = HTTPURL.authority(of: url) else {
            return StepFailure(
                sqlstate: Bytes("42501".utf8),
                message: Bytes("Blocked: unable to extract hostname".utf8)
            )
        }
        if let (host, port) = authority.hostAndPort,
            let text = policy.refusal(ofHost: host, port: port)
        {
            return StepFailure(sqlstate: Bytes("42501".utf8), message: text)
        }
        return fault ?? (headSize > HTTPLimits.headSizeMax ? HTTPLimits.headTooLarge : nil)
    }

    private var headSize: Int {
        headers.reduce(url.count) { $0 + $1.name.count + $1.value.count + 4 }
    }
}

/// Which header fields a node may set.
enum HTTPHeaderRules {
    /// They say where a message ends, what becomes of its connection, or who answers: connections and peers are shared.
    private static let framing = Set(
        [
            "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
            "expect", "http2-settings",
        ].map { Bytes($0.utf8) }
    )
    private static let proxy = Bytes("proxy-".utf8)
    private static let tokenSigns = "!#$%&'*+-.^_`|~"

    /// What is wrong with a field, or nil; `Host` may only say what the URL says.
    static func fault(_ header: HTTPRequest.Header, url: Bytes) -> StepFailure? {
        // A name may hide another one in front of a colon.
        let end = header.name.firstIndex(of: UInt8(ascii: ":")) ?? header.name.endIndex
        let name = HTTPHost.lowercased(Bytes(header.name[..<end].filter { $0 > 0x20 }))
        if framing.contains(name) || name.starts(with: proxy) {
            let text: ByteText =
                "Invalid HTTP request: header \"\(quoting: header.name)\" cannot be set by a step"
            return refused(text, "It says how the message is framed or routed, which the server decides.")
        }
        guard !header.name.isEmpty, header.name.allSatisfy(isTokenByte) else {
            let text: ByteText =
                "Invalid HTTP request: \"\(quoting: header.name)\" is not the name of a header"
            return refused(text, "A name consists of letters, digits and these signs: \(tokenSigns)")
        }
        let isControl: (UInt8) -> Bool = { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }
        guard !header.value.contains(where: isControl) else {
            let text: ByteText =
                "Invalid HTTP request: the value of header \"\(quoting: header.name)\" holds a control character"
            return refused(text, "A value is one line of text.")
        }
        guard name == Bytes("host".utf8) else { return nil }
        guard let own = HTTPURL.authority(of: url), let (host, port) = own.hostAndPort,
            let said = HTTPURL.Authority(bytes: header.value, isSecure: own.isSecure).hostAndPort,
            HTTPHost.lowercased(said.host) == HTTPHost.lowercased(host), said.port == port
        else {
            return refused(
                "Invalid HTTP request: header \"Host\" differs from the host of the URL",
                "Leave it out."
            )
        }
        return nil
    }

    private static func refused(_ text: ByteText, _ hint: String) -> StepFailure {
        StepFailure(sqlstate: Bytes("22023".utf8), message: text.bytes, hint: Bytes(hint.utf8))
    }

    static func isTokenByte(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (lower >= 0x61 && lower <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
            || tokenSigns.utf8.contains(byte)
    }
}

/// The beginning of a URL, as far as it reads the same for every parser.
enum HTTPURL {
    /// What stands between the scheme and the path.
    struct Authority {
        var bytes: Bytes
        var isSecure: Bool

        /// Nil when parsers may disagree: what this is, the transport's one says.
        var hostAndPort: (host: Bytes, port: Int32)? {
            let host: ArraySlice<UInt8>
            if bytes.first == UInt8(ascii: "[") {
                guard let end = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
                host = bytes[...end]
                guard HTTPAddress.parse6(HTTPHost.lowercased(Bytes(host.dropFirst().dropLast()))) != nil
                else {
                    return nil
                }
            } else {
                host = bytes.prefix { $0 != UInt8(ascii: ":") }
                guard !host.isEmpty, host.allSatisfy({ HTTPHost.isNameByte($0) || $0 == UInt8(ascii: ".") })
                else { return nil }
            }
            let rest = bytes[host.endIndex...]
            if rest.isEmpty { return (Bytes(host), isSecure ? 443 : 80) }
            guard rest.first == UInt8(ascii: ":"), let port = HTTPHost.port(rest.dropFirst()) else {
                return nil
            }
            return (Bytes(host), port)
        }
    }

    /// What precedes the first `://`, or all of the text.
    static func scheme(of url: Bytes) -> Bytes {
        guard let end = endOfScheme(url) else { return url }
        return Bytes(url[..<end])
    }

    static func isAllowed(scheme: Bytes) -> Bool {
        [Bytes("http".utf8), Bytes("https".utf8)].contains(HTTPHost.lowercased(scheme))
    }

    /// Nil when there is none.
    ///
    /// Some parsers would take the first word of the path for it.
    static func authority(of url: Bytes) -> Authority? {
        guard let end = endOfScheme(url) else { return nil }
        let bytes = url[(end + 3)...].prefix { !Bytes("/\\?#".utf8).contains($0) }
        guard !bytes.isEmpty else { return nil }
        return Authority(bytes: Bytes(bytes), isSecure: end == 5)
    }

    private static func endOfScheme(_ url: Bytes) -> Int? {
        let mark = Bytes("://".utf8)
        guard url.count >= mark.count else { return nil }
        return (0...(url.count - mark.count)).first { url[$0..<($0 + mark.count)].elementsEqual(mark) }
    }
}
