// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// What an HTTP or HTTP_MULTIPART node says about when to ask again.
public struct HTTPDelivery: Hashable, Sendable {
    /// Further attempts after one that the peer, or the way to it, failed.
    public var retries: Int32 = 0
    /// Before the first of them, in milliseconds; it doubles from one to the next.
    public var backoffMilliseconds: Int64 = 1000
    /// Whether a request is sent again of which nobody knows whether it arrived.
    public var repeatsUnknown = true

    public init() {}
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
                do throws(Part.Flaw) {
                    parts.append(try Part(element))
                } catch {
                    return invalid(error.text)
                }
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
    struct Flaw: Error {
        var text: String
    }

    /// An object with the strings `name` and `data_b64`, and perhaps `filename` and `content_type`.
    init(_ value: JSONValue) throws(Flaw) {
        guard value.kind == .object else { throw Flaw(text: "a part must be an object") }
        guard let name = try Self.text(value, "name") else { throw Flaw(text: "missing field `name`") }
        guard let data = try Self.text(value, "data_b64") else {
            throw Flaw(text: "missing field `data_b64`")
        }
        self.init(
            name: name,
            data: data,
            filename: try Self.text(value, "filename"),
            contentType: try Self.text(value, "content_type")
        )
    }

    private static func text(_ value: JSONValue, _ key: String) throws(Flaw) -> Bytes? {
        guard let member = value[Bytes(key.utf8)], !member.isNull else { return nil }
        guard let text = member.string else { throw Flaw(text: "field `\(key)` must be a string") }
        return text
    }
}
