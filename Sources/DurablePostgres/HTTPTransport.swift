// SPDX-License-Identifier: PostgreSQL

internal import CHTTPInterface
internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// The transport library, loaded: requests in, answers out, and the policy's word on every hop and connection.
final class HTTPTransport {
    struct LoadError: Error {
        var text: Bytes
    }

    private let functions: http_transport_functions
    private var transport: OpaquePointer?
    /// What each request in flight may do, by handle.
    private var policies: [UInt64: HTTPPolicy] = [:]
    private var answers: [(handle: UInt64, answer: HTTPAnswer)] = []
    /// Takes no more requests; to be closed when the last one has ended.
    private(set) var isRetired = false

    init(
        _ settings: HTTPWorkerProcess.Settings,
        _ library: StaticString,
        _ function: StaticString
    ) throws(LoadError) {
        var why = [CChar](repeating: 0, count: 512)
        let found = why.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap {
                pgs_load_function(library.cString, function.cString, $0, buffer.count)
            }
        }
        guard let found else {
            let text = why.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw LoadError(text: Bytes("its library cannot be loaded: ".utf8) + text)
        }
        typealias API = @convention(c) () -> UnsafePointer<http_transport_functions>?
        guard let api = unsafeBitCast(found, to: API.self)(),
            api.pointee.version == HTTP_TRANSPORT_VERSION
        else { throw LoadError(text: Bytes("its library is of another version".utf8)) }
        functions = api.pointee
        let texts = [settings.userAgent, settings.caFile, settings.proxy].map { $0 + [0] }
        var config = http_config()
        config.context = Unmanaged.passUnretained(self).toOpaque()
        config.connections_per_host = settings.perHostMax
        config.policy.allow_host = { context, id, _, host, port, why, size in
            guard let context, let host, let why else { return false }
            let transport = Unmanaged<HTTPTransport>.fromOpaque(context).takeUnretainedValue()
            return transport.allow(id, host: host, port: port, why, size)
        }
        config.policy.allow_address = { _, address, length, privateNetworks in
            guard let address else { return false }
            return privateNetworks
                || HTTPAddress.isPublic(Bytes(UnsafeBufferPointer(start: address, count: length)))
        }
        config.policy.finished = { context, response in
            guard let context, let response else { return }
            let transport = Unmanaged<HTTPTransport>.fromOpaque(context).takeUnretainedValue()
            transport.finished(response.pointee)
        }
        let open = functions.open
        transport = texts[0].withUnsafeBufferPointer { agent in
            texts[1].withUnsafeBufferPointer { caFile in
                texts[2].withUnsafeBufferPointer { proxy in
                    config.user_agent = UnsafeRawPointer(agent.baseAddress)?.assumingMemoryBound(
                        to: CChar.self
                    )
                    config.ca_file = UnsafeRawPointer(caFile.baseAddress)?.assumingMemoryBound(to: CChar.self)
                    config.proxy = UnsafeRawPointer(proxy.baseAddress)?.assumingMemoryBound(to: CChar.self)
                    return open?(&config)
                }
            }
        }
        guard transport != nil else { throw LoadError(text: Bytes("libcurl cannot be set up".utf8)) }
    }

    var descriptor: Int32 { transport.flatMap { functions.fd?($0) } ?? -1 }
    /// Milliseconds; negative for no limit.
    var timeout: Int64 { transport.flatMap { functions.timeout?($0) } ?? -1 }
    var inFlight: Int32 { Int32(clamping: policies.count) }

    func retire() { isRetired = true }

    func close() {
        if let transport { functions.close?(transport) }
        transport = nil
    }

    func run() {
        if let transport { functions.run?(transport) }
    }

    func abort(_ handle: UInt64) {
        if let transport { functions.abort?(transport, handle) }
        policies[handle] = nil
        answers.removeAll { $0.handle == handle }
    }

    func takeAnswers() -> [(handle: UInt64, answer: HTTPAnswer)] {
        defer { answers = [] }
        return answers
    }

    func start(_ handle: UInt64, _ request: HTTPRequest) {
        guard let transport else { return }
        policies[handle] = request.policy
        // One block of bytes for all of the request; it lives during the call.
        var arena = ByteArena()
        let headers = request.headers.map { arena.add($0.name + Bytes(": ".utf8) + $0.value) }
        let (url, method) = (arena.add(request.url), arena.add(request.method))
        let body = arena.add(request.body ?? [])
        arena.withBytes { place in
            let lines = headers.map(place)
            lines.withUnsafeBufferPointer { lines in
                var raw = http_request()
                raw.id = handle
                raw.url = place(url)
                raw.method = place(method)
                raw.has_body = request.body != nil
                raw.body = place(body)
                raw.headers = lines.baseAddress
                raw.header_count = lines.count
                raw.timeout_ms = max(request.timeoutMilliseconds, 1)
                raw.redirects_max = request.followsRedirects ? 10 : 0
                raw.response_size_max = Int(clamping: max(request.policy.responseSizeMax, 0))
                raw.private_networks = request.policy.allowsPrivateNetworks
                functions.start?(transport, &raw)
            }
        }
    }

    private func allow(
        _ id: UInt64,
        host: UnsafePointer<CChar>,
        port: Int32,
        _ why: UnsafeMutablePointer<CChar>,
        _ size: Int
    ) -> Bool {
        guard let policy = policies[id] else { return false }
        var name = Bytes()
        var next = host
        while next.pointee != 0 {
            name.append(UInt8(bitPattern: next.pointee))
            next += 1
        }
        if name.first == UInt8(ascii: "["), name.last == UInt8(ascii: "]") {
            name = Bytes(name.dropFirst().dropLast())
        }
        guard let refusal = policy.refusal(ofHost: name, port: port) else { return true }
        guard size > 0 else { return false }
        let shown = refusal.prefix(size - 1)
        for (i, byte) in shown.enumerated() { why[i] = CChar(bitPattern: byte) }
        why[shown.count] = 0
        return false
    }

    private func finished(_ response: http_response) {
        policies[response.id] = nil
        func copy(_ bytes: http_bytes) -> Bytes {
            Bytes(UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.length))
        }
        var answer = HTTPAnswer(HTTPTransport.outcome(response.outcome))
        answer.status = response.status
        answer.connected = response.connected
        answer.durationMilliseconds = response.duration_ms
        answer.headers = copy(response.headers)
        answer.body = copy(response.body)
        answer.message = copy(response.message)
        answers.append((response.id, answer))
    }

    private static func outcome(_ raw: http_outcome) -> HTTPAnswer.Outcome {
        switch raw {
        case HTTP_ANSWERED: .answered
        case HTTP_FAILED_CONNECT: .connectFailed
        case HTTP_FAILED_TIMEOUT: .timedOut
        case HTTP_FAILED_SIZE: .tooLarge
        case HTTP_FAILED_BLOCKED: .blocked
        case HTTP_FAILED_INVALID: .invalid
        default: .broken
        }
    }
}

/// Texts in one allocation, so that all their addresses hold at the same time.
private struct ByteArena {
    private var bytes = Bytes()

    mutating func add(_ text: Bytes) -> Range<Int> {
        let start = bytes.count
        bytes += text
        return start..<bytes.count
    }

    /// The function given to `body` turns a range into its bytes.
    func withBytes(_ body: ((Range<Int>) -> http_bytes) -> Void) {
        // One byte more: an empty text has an address, too.
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            body { range in
                http_bytes(data: buffer.baseAddress.map { $0 + range.lowerBound }, length: range.count)
            }
        }
    }
}
