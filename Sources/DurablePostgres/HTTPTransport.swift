// SPDX-License-Identifier: PostgreSQL

internal import CHTTPInterface
internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// The transport library, loaded: requests in, answers out, and the policy's word on every hop and address.
final class HTTPTransport {
    struct LoadError: Error {
        /// For whoever asked.
        var text: StaticString
        /// For the log.
        var detail: Bytes
    }

    private let functions: http_transport_functions
    private var transport: OpaquePointer?
    /// What each request in flight may do, by handle.
    private var policies: [UInt64: HTTPPolicy] = [:]

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
            throw LoadError(text: "its library cannot be loaded", detail: text)
        }
        typealias API = @convention(c) () -> UnsafePointer<http_transport_functions>?
        // SAFETY: the library's one exported function has this type; the version says that both come from one build.
        guard let api = unsafeBitCast(found, to: API.self)(),
            api.pointee.version == HTTP_TRANSPORT_VERSION
        else { throw LoadError(text: "its library is of another version", detail: []) }
        functions = api.pointee
        var policy = http_policy()
        policy.allow_host = { context, id, _, host, port, why, size in
            guard let context, let host, let why else { return false }
            let transport = Unmanaged<HTTPTransport>.fromOpaque(context).takeUnretainedValue()
            return transport.allow(id, host: host, port: port, why, size)
        }
        policy.allow_address = { _, address, length, privateNetworks in
            guard let address else { return false }
            return privateNetworks
                || HTTPAddress.isPublic(Bytes(UnsafeBufferPointer(start: address, count: length)))
        }
        let open = functions.open
        // SAFETY: this object closes the transport, which asks nothing after that.
        let context = Unmanaged.passUnretained(self).toOpaque()
        transport = HTTPTransport.withConfiguration(settings) { open?(&policy, context, &$0) }
        guard transport != nil else { throw LoadError(text: "libcurl cannot be set up", detail: []) }
    }

    private static func withConfiguration<R>(
        _ settings: HTTPWorkerProcess.Settings,
        _ body: (inout http_config) -> R
    ) -> R {
        var arena = ByteArena()
        let texts = [settings.userAgent, settings.caFile, settings.proxy, settings.dnsServers].map {
            arena.add($0 + [0])
        }
        return arena.withBytes { place in
            func string(_ i: Int) -> UnsafePointer<CChar>? {
                UnsafeRawPointer(place(texts[i]).data)?.assumingMemoryBound(to: CChar.self)
            }
            var config = http_config()
            config.user_agent = string(0)
            config.ca_file = string(1)
            config.proxy = string(2)
            config.dns_servers = string(3)
            config.memory = settings.memory
            config.pool_size = settings.poolSize
            return body(&config)
        }
    }

    /// For the requests that are started from now on.
    func configure(_ settings: HTTPWorkerProcess.Settings) {
        guard let transport else { return }
        let configure = functions.configure
        // Without memory the old settings stay, until the next reload.
        _ = HTTPTransport.withConfiguration(settings) { configure?(transport, &$0) ?? false }
    }

    var descriptor: Int32 { transport.flatMap { functions.fd?($0) } ?? -1 }
    /// Milliseconds; negative for no limit.
    var timeout: Int64 { transport.flatMap { functions.timeout?($0) } ?? -1 }
    var inFlight: Int32 { transport.flatMap { functions.in_flight?($0) } ?? 0 }

    func close() {
        if let transport { functions.close?(transport) }
        transport = nil
    }

    func run() {
        if let transport { functions.run?(transport) }
    }

    func end(_ handle: UInt64) {
        if let transport { functions.end?(transport, handle) }
        policies[handle] = nil
    }

    /// Takes the next question that there is room for; `handle` is 0 when there is none.
    func take(
        _ handle: inout UInt64,
        _ role: inout UInt32,
        _ bytes: inout UnsafeMutablePointer<UInt8>?,
        _ length: inout Int
    ) {
        // Asked under a lock: the library's own function, which is plain C.
        guard let transport, let hasRoom = functions.has_room else { return }
        pgs_question_take(hasRoom, UnsafeMutableRawPointer(transport), &handle, &role, &bytes, &length)
    }

    /// Its end is always an answer; false when there is no memory even for that.
    ///
    /// `memory` is the length that the question had.
    func start(_ handle: UInt64, _ role: UInt32, _ request: HTTPRequest, memory: Int) -> Bool {
        guard let transport else { return false }
        policies[handle] = request.policy
        var arena = ByteArena()
        let headers = request.headers.map { arena.add($0.name + Bytes(": ".utf8) + $0.value) }
        let (url, method) = (arena.add(request.url), arena.add(request.method))
        let body = request.body ?? []
        return arena.withBytes { place in
            headers.map(place).withUnsafeBufferPointer { lines in
                body.withUnsafeBufferPointer { body in
                    var raw = http_request()
                    raw.id = handle
                    raw.owner = role
                    raw.url = place(url)
                    raw.method = place(method)
                    raw.has_body = request.body != nil
                    raw.body = http_bytes(data: body.baseAddress, length: body.count)
                    raw.headers = lines.baseAddress
                    raw.header_count = lines.count
                    raw.memory = memory
                    raw.timeout_ms = max(request.timeoutMilliseconds, 1)
                    raw.redirects_max = request.followsRedirects ? 10 : 0
                    raw.response_size_max = Int(clamping: max(request.policy.responseSizeMax, 0))
                    raw.private_networks = request.policy.allowsPrivateNetworks
                    raw.may_repeat = request.mayRepeat
                    return functions.start?(transport, &raw) ?? false
                }
            }
        }
    }

    /// Gives each answer that is there to `place`; one that it takes is done with.
    ///
    /// Whether it took any.
    func placeAnswers(_ place: (http_response) -> Bool) -> Bool {
        guard let transport else { return false }
        var (previous, any): (UInt64, Bool) = (0, false)
        while let response = functions.next_answer?(transport, previous)?.pointee {
            if place(response) {
                end(response.id)
                any = true
            } else {
                previous = response.id
            }
        }
        return any
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
}

extension HTTPAnswer {
    /// All of an answer but its body.
    init(_ response: http_response, memory: Int64) {
        self.init(HTTPAnswer.outcome(response.outcome))
        status = response.status
        durationMilliseconds = response.duration_ms
        timeoutMilliseconds = response.timeout_ms
        connected = response.connected
        headers = Bytes(response.headers)
        message = Bytes(response.message)
        url = Bytes(response.url)
        switch response.outcome {
        case HTTP_FAILED_HEADERS:
            message = Bytes("Failed to read response headers: they are too large".utf8)
            hint = Bytes("All lines together may have \(HTTPLimits.shown(Int64(HTTP_HEADERS_MAX))).".utf8)
        case HTTP_FAILED_MEMORY:
            message = Bytes(
                "Failed to read response body: \"pg_durable.http_max_worker_memory\" is in use".utf8
            )
            let all = HTTPLimits.shown(memory)
            hint = Bytes("All bodies may have \(all); a role gets more while it has less than is free.".utf8)
        default:
            break
        }
    }

    private static func outcome(_ raw: http_outcome) -> HTTPAnswer.Outcome {
        switch raw {
        case HTTP_ANSWERED: .answered
        case HTTP_FAILED_CONNECT: .connectFailed
        case HTTP_FAILED_TIMEOUT: .timedOut
        case HTTP_FAILED_SIZE, HTTP_FAILED_HEADERS, HTTP_FAILED_MEMORY: .tooLarge
        case HTTP_FAILED_BLOCKED: .blocked
        case HTTP_FAILED_INVALID: .invalid
        case HTTP_FAILED_BODY: .cutOff
        default: .broken
        }
    }
}

extension Bytes {
    fileprivate init(_ bytes: http_bytes) {
        self.init(UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.length))
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
    func withBytes<R>(_ body: ((Range<Int>) -> http_bytes) -> R) -> R {
        // One byte more: an empty text has an address, too.
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            body { range in
                http_bytes(data: buffer.baseAddress.map { $0 + range.lowerBound }, length: range.count)
            }
        }
    }
}
