// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension HTTPNode {
    /// The request with all references replaced, without a policy.
    ///
    /// `key` is the step's own. What is wrong with headers and parts goes into the request's `fault`: whether the role
    /// may ask at all comes first.
    func request(_ scope: SubstitutionScope, key: Bytes, _ limits: HTTPLimits) -> Checked<HTTPRequest> {
        var filling = Filling(scope: scope, limits: limits, room: limits.requestSizeMax)
        do throws(SubstitutionError) {
            var request = HTTPRequest(
                url: try filling.text(url),
                method: method,
                body: try body.map { (text) throws(SubstitutionError) in try filling.text(text) },
                headers: [],
                timeoutMilliseconds: min(timeoutSeconds, Int64(Int32.max) / 1000) * 1000,
                followsRedirects: followsRedirects
            )
            request.isMultipart = isMultipart
            for header in headers {
                // The boundary of a multipart body is not the caller's to name.
                if isMultipart, HTTPHost.lowercased(header.name) == Bytes("content-type".utf8) { continue }
                let field = HTTPRequest.Header(name: header.name, value: try filling.text(header.value))
                request.headers.append(field)
            }
            if isMultipart {
                var filled: [MultipartBody.Part] = []
                for part in parts {
                    switch try filling.part(part) {
                    case .valid(let part): filled.append(part)
                    case .invalid(let failure): request.fault = request.fault ?? failure
                    }
                }
                if request.fault == nil {
                    let body = MultipartBody(filled, key: key)
                    request.body = body.bytes
                    request.headers.append(
                        HTTPRequest.Header(name: Bytes("Content-Type".utf8), value: body.contentType)
                    )
                }
            }
            for header in request.headers where request.fault == nil {
                request.fault = HTTPHeaderRules.fault(header, url: request.url)
            }
            return .valid(request)
        } catch {
            return .invalid(error.failure)
        }
    }
}

/// Replaces references in a node's texts, as long as there is room for them.
private struct Filling {
    let scope: SubstitutionScope
    let limits: HTTPLimits
    var room: Int64

    mutating func text(_ template: Bytes) throws(SubstitutionError) -> Bytes {
        let text = try Substitution.apply(template, mode: .raw, scope: scope).text
        try take(text.count)
        return text
    }

    mutating func part(_ part: HTTPNode.Part) throws(SubstitutionError) -> Checked<MultipartBody.Part> {
        let name = try text(part.name)
        let filename = try part.filename.map { (name) throws(SubstitutionError) in try text(name) }
        let encoded = try wholeValue(part.data)
        let subject = Bytes(" part '".utf8) + name + Bytes("': ".utf8)
        let data: Bytes
        do throws(Base64.Fault) {
            data = try Base64.decode(encoded)
        } catch {
            return .invalid(.invalidParameter(Bytes("Invalid base64 in".utf8) + subject + error.text))
        }
        try take(data.count)
        if let type = part.contentType, !HTTPNode.isMediaType(type) {
            let text = Bytes("Invalid content_type for".utf8) + subject + Bytes("builder error".utf8)
            return .invalid(.invalidParameter(text))
        }
        return .valid(
            MultipartBody.Part(name: name, filename: filename, contentType: part.contentType, data: data)
        )
    }

    /// `data_b64` is base64, or one reference and nothing else.
    private func wholeValue(_ text: Bytes) throws(SubstitutionError) -> Bytes {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) }
        let trimmed = Bytes(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
        guard let mark = trimmed.first(where: { $0 == UInt8(ascii: "$") || $0 == UInt8(ascii: "{") })
        else { return text }
        guard trimmed.first == mark, HTTPNode.isReference(trimmed) else {
            throw SubstitutionError(
                "22023",
                Bytes("data_b64 of a part mixes a variable reference with other text".utf8)
            )
        }
        return try Substitution.apply(trimmed, mode: .raw, scope: scope).text
    }

    private mutating func take(_ size: Int) throws(SubstitutionError) {
        room -= Int64(size)
        guard room < 0 else { return }
        let failure = limits.requestTooLarge
        throw SubstitutionError(
            "54000",
            failure.message,
            hint: failure.hint.map { String(decoding: $0, as: UTF8.self) }
        )
    }
}

extension HTTPNode {
    fileprivate static func isReference(_ text: Bytes) -> Bool {
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
    static func isMediaType(_ text: Bytes) -> Bool {
        let words = text.prefix { $0 != UInt8(ascii: ";") }
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return words.count == 2
            && words.allSatisfy { !$0.isEmpty && $0.allSatisfy(HTTPHeaderRules.isTokenByte) }
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
        _ branch: BranchID,
        _ limits: HTTPLimits = HTTPLimits()
    ) -> (request: Result<HTTPRequest, SubstitutionFailure>, delivery: HTTPDelivery)? {
        guard let found = branches[branch], case .step(let index) = found.waiting,
            let node = record.graph.node(index), node.kind == .http || node.kind == .httpMultipart
        else { return nil }
        let parsed: HTTPNode
        switch HTTPNode.parse(node) {
        case .valid(let node): parsed = node
        case .invalid(let failure): return (.failure(SubstitutionFailure(failure)), HTTPDelivery())
        }
        // The place of the step in the journal: instance, node and iteration, attempts left out.
        let place = "\(record.id.rawValue)-\(index.rawValue)-\(branch.rawValue)-\(found.arrived)"
        let key = record.publicID + Bytes("-\(place)".utf8)
        switch parsed.request(scope(of: found), key: key, limits) {
        case .invalid(let failure):
            return (.failure(SubstitutionFailure(failure)), parsed.delivery)
        case .valid(var request):
            let name = Bytes("Idempotency-Key".utf8)
            if !request.headers.contains(where: { HTTPHost.lowercased($0.name) == HTTPHost.lowercased(name) })
            {
                request.headers.append(HTTPRequest.Header(name: name, value: key))
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
