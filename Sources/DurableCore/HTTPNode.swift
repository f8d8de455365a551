// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What an HTTP or HTTP_MULTIPART node says about when to ask again.
public struct HTTPDelivery: Hashable, Sendable {
    /// Further attempts after one that the peer, or the way to it, failed.
    public var retries: Int32 = 0
    /// Before the first of them, in milliseconds; it doubles from one to the next.
    public var backoffMilliseconds: Int64 = 1000
    /// Whether a request is sent again of which nobody knows whether it arrived.
    public var repeatsUnknown = true
}

/// An HTTP or HTTP_MULTIPART node, read from its `query`.
struct HTTPNode {
    let isMultipart: Bool
    let url: Bytes
    let method: Bytes
    let body: Bytes?
    let headers: [(name: Bytes, value: Bytes)]
    let parts: [Part]
    let timeoutSeconds: Int64
    let followsRedirects: Bool
    let delivery: HTTPDelivery

    struct Part {
        var name: Bytes
        var data: Bytes
        var filename: Bytes?
        var contentType: Bytes?
    }

    private static let plainMethods = ["GET", "POST", "PUT", "DELETE", "PATCH"].map { Bytes($0.utf8) }
    private static let multipartMethods = ["POST", "PUT", "PATCH"].map { Bytes($0.utf8) }

    static func methods(multipart: Bool) -> [Bytes] { multipart ? multipartMethods : plainMethods }

    static func parse(_ node: Node) -> Checked<HTTPNode> {
        let isMultipart = node.kind == .httpMultipart
        let prefix = isMultipart ? "Invalid multipart HTTP config: " : "Invalid HTTP config: "
        func invalid(_ text: String) -> Checked<HTTPNode> {
            .invalid(.invalidParameter(Bytes((prefix + text).utf8)))
        }
        guard let root = JSONDocument.parse(node.query)?.root, root.kind == .object else {
            return invalid("not a JSON object")
        }
        func member(_ key: String) -> JSONValue? {
            root[Bytes(key.utf8)].flatMap { $0.isNull ? nil : $0 }
        }
        guard let url = member("url")?.string else { return invalid("missing field `url`") }
        guard let method = member("method")?.string else { return invalid("missing field `method`") }
        guard methods(multipart: isMultipart).contains(method) else {
            return .invalid(.invalidParameter(Bytes("Unsupported HTTP method: ".utf8) + method))
        }
        var timeout: Int64 = 30
        if let given = member("timeout_seconds") {
            guard given.kind == .number, let seconds = DecimalInteger.parse(given.raw), seconds > 0
            else { return invalid("timeout_seconds must be a positive integer") }
            timeout = seconds
        }
        var delivery = HTTPDelivery()
        if let retries = member("retries") {
            guard retries.kind == .number, let count = DecimalInteger.parse(retries.raw),
                (0...retriesMax).contains(count)
            else { return invalid("retries must be an integer from 0 to \(retriesMax)") }
            delivery.retries = Int32(clamping: count)
        }
        if let backoff = member("backoff_milliseconds") {
            guard backoff.kind == .number, let time = DecimalInteger.parse(backoff.raw), time >= 0
            else { return invalid("backoff_milliseconds must not be negative") }
            delivery.backoffMilliseconds = time
        }
        if let unknown = member("on_unknown")?.string {
            guard [Bytes("retry".utf8), Bytes("fail".utf8)].contains(unknown) else {
                return invalid("on_unknown must be \"retry\" or \"fail\"")
            }
            delivery.repeatsUnknown = unknown == Bytes("retry".utf8)
        }
        var parts: [Part] = []
        if isMultipart {
            guard let list = member("parts"), list.kind == .array else {
                return invalid("missing field `parts`")
            }
            for element in list.elements {
                guard let part = Part(element) else {
                    return invalid("missing field `\(Part.missing(element))`")
                }
                parts.append(part)
            }
        }
        return .valid(
            HTTPNode(
                isMultipart: isMultipart,
                url: url,
                method: method,
                body: isMultipart ? nil : member("body").flatMap { $0.string ?? $0.raw },
                headers: (member("headers")?.members).map { members in
                    members.compactMap { member in member.value.string.map { (member.key, $0) } }
                } ?? [],
                parts: parts,
                timeoutSeconds: timeout,
                followsRedirects: member("follow_redirects")?.boolValue ?? false,
                delivery: delivery
            )
        )
    }

    static let retriesMax: Int64 = 100
}

extension HTTPNode.Part {
    init?(_ value: JSONValue) {
        guard let name = value[Bytes("name".utf8)]?.string,
            let data = value[Bytes("data_b64".utf8)]?.string
        else { return nil }
        self.init(
            name: name,
            data: data,
            filename: value[Bytes("filename".utf8)]?.string,
            contentType: value[Bytes("content_type".utf8)]?.string
        )
    }

    static func missing(_ value: JSONValue) -> String {
        value[Bytes("name".utf8)]?.string == nil ? "name" : "data_b64"
    }
}

extension HTTPNode {
    /// The request with all references replaced, without a policy.
    func request(_ scope: SubstitutionScope) -> Checked<HTTPRequest> {
        do throws(SubstitutionError) {
            func filled(_ text: Bytes) throws(SubstitutionError) -> Bytes {
                try Substitution.apply(text, mode: .raw, scope: scope).text
            }
            var request = HTTPRequest(
                url: try filled(url),
                method: method,
                body: nil,
                headers: [],
                parts: nil,
                timeoutMilliseconds: min(timeoutSeconds, Int64(Int32.max) / 1000) * 1000,
                followsRedirects: followsRedirects
            )
            let scheme = HTTPNode.scheme(of: request.url)
            guard HTTPNode.isAllowed(scheme: scheme) else {
                let text =
                    Bytes("Blocked: unsupported URL scheme '".utf8) + scheme
                    + Bytes("'. Only http and https are allowed.".utf8)
                return .invalid(.invalidParameter(text))
            }
            // The transport's parser would take the first word of a path for the host.
            let rest = request.url.dropFirst(scheme.count + 3)
            guard let first = rest.first, !Bytes("/\\?#".utf8).contains(first) else {
                return .invalid(.invalidParameter("Blocked: unable to extract hostname"))
            }
            if let body { request.body = try filled(body) }
            for header in headers {
                // The boundary of a multipart body is the transport's to name.
                if isMultipart, HTTPHost.lowercased(header.name) == Bytes("content-type".utf8) {
                    continue
                }
                request.headers.append(
                    HTTPRequest.Header(name: header.name, value: try filled(header.value))
                )
            }
            guard isMultipart else { return .valid(request) }
            var filledParts: [HTTPRequest.Part] = []
            for part in parts {
                let name = try filled(part.name)
                let filename = try part.filename.map(filled)
                let encoded: Bytes
                switch try HTTPNode.wholeValue(part.data, scope) {
                case .valid(let text): encoded = text
                case .invalid(let failure): return .invalid(failure)
                }
                let data: Bytes
                do throws(Base64.Fault) {
                    data = try Base64.decode(encoded)
                } catch {
                    let subject = Bytes("Invalid base64 in part '".utf8) + name + Bytes("': ".utf8)
                    return .invalid(.invalidParameter(subject + error.text))
                }
                if let type = part.contentType, !HTTPNode.isMediaType(type) {
                    let subject = Bytes("Invalid content_type for part '".utf8) + name
                    return .invalid(.invalidParameter(subject + Bytes("': builder error".utf8)))
                }
                filledParts.append(
                    HTTPRequest.Part(
                        name: name,
                        filename: filename,
                        contentType: part.contentType,
                        data: data
                    )
                )
            }
            request.parts = filledParts
            return .valid(request)
        } catch {
            return .invalid(error.failure)
        }
    }

    /// `data_b64` is base64, or one reference and nothing else.
    private static func wholeValue(
        _ text: Bytes,
        _ scope: SubstitutionScope
    ) throws(SubstitutionError) -> Checked<Bytes> {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) }
        let trimmed = Bytes(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
        guard let mark = trimmed.first(where: { $0 == UInt8(ascii: "$") || $0 == UInt8(ascii: "{") })
        else { return .valid(text) }
        if trimmed.first == mark, isReference(trimmed) {
            return .valid(try Substitution.apply(trimmed, mode: .raw, scope: scope).text)
        }
        return .invalid(
            .invalidParameter("data_b64 of a part mixes a variable reference with other text")
        )
    }

    private static func isReference(_ text: Bytes) -> Bool {
        var inner = Bytes(text.dropFirst())
        if text.first == UInt8(ascii: "{") {
            guard inner.popLast() == UInt8(ascii: "}") else { return false }
            return Envelope.isIdentifier(inner)
        }
        if inner.last == UInt8(ascii: "?") { inner.removeLast() }
        let names = inner.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return (1...2).contains(names.count) && names.allSatisfy { Envelope.isIdentifier(Bytes($0)) }
    }

    /// type/subtype with parameters, of printable ASCII.
    private static func isMediaType(_ text: Bytes) -> Bool {
        let parts = text.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        guard let type = parts.first else { return false }
        let words = type.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return words.count == 2 && words.allSatisfy { !$0.isEmpty && !$0.contains(0x20) }
            && text.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
    }
}

extension Machine {
    /// Whether the step at `node` asks a peer over the network.
    public func isRequest(_ node: NodeIndex) -> Bool {
        let kind = record.graph.node(node)?.kind
        return kind == .http || kind == .httpMultipart
    }

    /// The request of the HTTP step that `branch` waits for, or why there is none; nil when it waits for no such
    /// step.
    ///
    /// Its Idempotency-Key is the same for every attempt of this step, unless the node gives one.
    public func httpRequest(
        _ branch: BranchID
    ) -> (request: Result<HTTPRequest, SubstitutionFailure>, delivery: HTTPDelivery)? {
        guard let found = branches[branch], case .step(let index) = found.waiting,
            let node = record.graph.node(index), node.kind == .http || node.kind == .httpMultipart
        else { return nil }
        let parsed: HTTPNode
        switch HTTPNode.parse(node) {
        case .valid(let node): parsed = node
        case .invalid(let failure): return (.failure(SubstitutionFailure(failure)), HTTPDelivery())
        }
        switch parsed.request(scope(of: found)) {
        case .invalid(let failure):
            return (.failure(SubstitutionFailure(failure)), parsed.delivery)
        case .valid(var request):
            let key = Bytes("idempotency-key".utf8)
            if !request.headers.contains(where: { HTTPHost.lowercased($0.name) == key }) {
                // The place of the step in the journal: instance, node and iteration, attempts left out.
                let place = "\(index.rawValue)-\(branch.rawValue)-\(found.arrived)"
                let value = record.publicID + Bytes("-\(record.id.rawValue)-\(place)".utf8)
                request.headers.append(
                    HTTPRequest.Header(name: Bytes("Idempotency-Key".utf8), value: value)
                )
            }
            return (.success(request), parsed.delivery)
        }
    }
}

/// A step's failure as an error to be thrown or returned.
public struct SubstitutionFailure: Error, Hashable, Sendable {
    public var failure: StepFailure

    init(_ failure: StepFailure) { self.failure = failure }
}
