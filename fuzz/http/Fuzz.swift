// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

// The first byte says what the rest is: what crosses shared memory, what a peer sends, or what a node says. All of it
// ends in a value or a refusal; what is coded and decoded again is the same, and what has one spelling has one meaning.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Bytes(UnsafeBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    let rest = Bytes(input.dropFirst())
    switch first {
    case UInt8(ascii: "a"): checkAnswer(rest)
    case UInt8(ascii: "b"): checkBase64(rest)
    case UInt8(ascii: "c"): checkCoding(rest)
    case UInt8(ascii: "h"): checkHosts(rest)
    case UInt8(ascii: "m"): checkNode(rest, kind: .httpMultipart)
    case UInt8(ascii: "n"): checkNode(rest, kind: .http)
    default: break
    }
    return 0
}

private func isASCII(_ text: Bytes) -> Bool { text.allSatisfy { $0 < 0x80 } }

private func require(_ condition: Bool, _ text: String) {
    if !condition { fatalError(text) }
}

/// Status (two bytes), header lines up to an empty one, and the body.
private func checkAnswer(_ bytes: Bytes) {
    guard bytes.count >= 2 else { return }
    var answer = HTTPAnswer(.answered)
    answer.status = Int32(bytes[0]) << 8 | Int32(bytes[1])
    var end = 2
    while end < bytes.count, !(bytes[end] == 0x0A && end + 1 < bytes.count && bytes[end + 1] == 0x0A) { end += 1 }
    answer.headers = Bytes(bytes[2..<end])
    answer.body = Bytes(bytes[end...].dropFirst(2))
    for now in [Timestamp(rawValue: 0), Timestamp(rawValue: .max), Timestamp(rawValue: .min)] {
        let pause = answer.pause(after: answer.status, HTTPDelivery(), jitter: .max, now: now)
        require((0...86_400_000_000).contains(pause), "a wait beyond a day, or before now")
    }
    var limits = HTTPLimits()
    limits.resultSizeMax = 8192
    let query = Bytes(#"{"url":"http://peer/","method":"GET"}"#.utf8)
    guard case .success(let plain)? = built(query, .http)?.request else { fatalError("no request") }
    switch answer.result(of: plain, limits, canStore: isASCII) {
    case .failed(let failure):
        let storable = failure.storable(where: isASCII)
        require(isASCII(storable.message) && !storable.message.contains(0), "a text that cannot be stored")
    case .completed(let envelope):
        require(isASCII(envelope) && envelope.count <= 8192, "an envelope that cannot be stored")
        guard let document = try? JSONDocument(envelope) else { fatalError("the envelope is not JSON") }
        let encoding = document.root[Bytes("encoding".utf8)]?.string
        guard let body = document.root[Bytes("body".utf8)]?.string else { fatalError("there is no body") }
        if encoding == Bytes("base64".utf8) {
            require((try? Base64.decode(body)) == answer.body, "another body")
        }
    }
}

private func checkBase64(_ text: Bytes) {
    require((try? Base64.decode(Base64.encode(text))) == text, "base64 is not its own inverse")
    guard let decoded = try? Base64.decode(text) else { return }
    let symbols = text.filter { $0 > 0x20 }
    require(Base64.encode(decoded).count == symbols.count, "another number of symbols")
}

private func checkCoding(_ bytes: Bytes) {
    if let request = HTTPRequest(encoded: bytes) {
        require(HTTPRequest(encoded: request.encoded()) == request, "another request")
    }
    if let answer = HTTPAnswer(encoded: bytes) {
        require(HTTPAnswer(encoded: answer.encoded()) == answer, "another answer")
    }
}

/// A host and a pattern, separated by a line feed.
private func checkHosts(_ bytes: Bytes) {
    let words = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false).map { Bytes($0) }
    guard words.count == 2 else { return }
    let (host, pattern) = (words[0], words[1])
    var policy = HTTPPolicy()
    policy.allowedHosts = [pattern]
    let isListed = policy.refusal(ofHost: host, port: 80) == nil
    policy.allowedHosts = []
    policy.deniedHosts = [pattern]
    require(!isListed || policy.refusal(ofHost: host, port: 80) != nil, "listed, and not denied by the same pattern")
    if HTTPHost.isPattern(host) {
        policy.deniedHosts = [host]
        require(policy.refusal(ofHost: host, port: 80) != nil || host.contains(UInt8(ascii: ":")), "not itself")
    }
}

/// The request of a function that is one node, with `{v}` for a variable.
private func built(
    _ query: Bytes,
    _ kind: NodeKind
) -> (request: Result<HTTPRequest, SubstitutionFailure>, delivery: HTTPDelivery)? {
    let record = InstanceRecord(
        id: InstanceID(rawValue: 1),
        publicID: Bytes("0000abcd".utf8),
        label: nil,
        graph: Graph(nodes: [Node(kind: kind, query: query)]),
        variables: [Bytes("v".utf8): Bytes("aGVsbG8=".utf8)],
        createdAt: Timestamp(rawValue: 0)
    )
    var machine = Machine(record: record)
    guard (try? machine.decide(DecisionContext(now: Timestamp(rawValue: 0)))) != nil else { return nil }
    return machine.httpRequest(.root)
}

private func checkNode(_ query: Bytes, kind: NodeKind) {
    guard let document = try? JSONDocument(query), !document.containsNUL else { return }
    guard let (result, delivery) = built(query, kind) else { return }
    require((0...100).contains(delivery.retries) && delivery.backoffMilliseconds >= 0, "a delivery nobody can make")
    guard case .success(let request) = result, request.refusal == nil else { return }
    for header in request.headers {
        require(!header.name.isEmpty && !header.name.contains { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x3A }, "a name")
        require(!header.value.contains { $0 == 0x0D || $0 == 0x0A || $0 == 0 }, "a value of several lines")
    }
    guard kind == .httpMultipart, let body = request.body else { return }
    guard let type = request.headers.first(where: { $0.name == Bytes("Content-Type".utf8) })?.value else {
        fatalError("a multipart body without its type")
    }
    let boundary = Bytes("--".utf8) + type.dropFirst("multipart/form-data; boundary=".utf8.count)
    require(body.starts(with: boundary), "no boundary at the beginning")
    require(body.suffix(boundary.count + 4).elementsEqual(boundary + Bytes("--\r\n".utf8)), "none at the end")
}
