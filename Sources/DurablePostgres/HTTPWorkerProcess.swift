// SPDX-License-Identifier: PostgreSQL

internal import CHTTPInterface
internal import CPostgres
internal import DurableCore
public import DurableModel
public import PostgresExtension

/// The one process that talks to the network on behalf of steps.
///
/// It has no database session and no role: requests come to it through shared memory, and their answers go back the
/// same way. The transfers are libcurl's, in a library that only this process loads.
public enum HTTPWorkerProcess {
    /// What the composition root takes from the settings; read again whenever the configuration is reloaded.
    public struct Settings: Equatable, Sendable {
        public var isEnabled = true
        public var userAgent: Bytes = []
        public var caFile: Bytes = []
        public var proxy: Bytes = []
        public var dnsServers: Bytes = []
        public var inFlightMax: Int32 = 0
        public var perRoleMax: Int32 = 0
        public var perHostMax: Int32 = 0
        /// Bytes that this process may keep for bodies.
        public var memory: Int64 = 0
        /// Bytes that there are in shared memory.
        public var sharedMemory: Int64 = 0
        /// Idle connections that one role may keep; follows from the descriptors there are.
        var poolSize: Int32 = 16

        public init() {}
    }

    fileprivate static let libraryName: StaticString = "pg_durable_http"
    fileprivate static let functionName: StaticString = "http_transport_api"

    /// Lets the server start the process; in the library's init.
    public static func register() throws(PostgresError) {
        try BackgroundWorker(
            name: "durable http",
            type: "durable http",
            library: "pg_durable",
            function: "pg_durable_http_main",
            restartSeconds: 1,
            usesDatabase: false
        ).register()
    }

    public static func run(_ read: () -> Settings) -> Int32 {
        do throws(PostgresError) {
            var attached = false
            try check(pgs_exchange_attach(&attached))
            guard attached else { return 1 }
            var worker = try Worker(read())
            defer { worker.transport?.close() }
            while true {
                var reloaded = false
                try check(pgs_interrupts_service(&reloaded))
                if reloaded { worker.use(read()) }
                try worker.wait(after: try worker.work())
            }
        } catch {
            Log.report(error, doing: "running the durable HTTP worker")
        }
        return 1
    }

    /// One round after the other; no round waits for anything.
    fileprivate struct Worker {
        /// As they were read; what is used is less where the process cannot do more.
        private var given: Settings
        var settings: Settings
        var transport: HTTPTransport?
        /// Loading the library has failed, and was reported.
        fileprivate var loadFailure: StaticString?
        /// Answers of this process itself.
        fileprivate var replies: [(handle: UInt64, answer: HTTPAnswer)] = []
        /// How many files may be open.
        private let descriptorsMax: Int64
        fileprivate let waiting: OpaquePointer

        init(_ settings: Settings) throws(PostgresError) {
            given = Settings()
            self.settings = given
            descriptorsMax = pgs_open_files_raise()
            var set: OpaquePointer?
            try check(pgs_wait_set_new(1, &set))
            guard let set else { throw PostgresError(.internalError, "no set of events to wait for") }
            waiting = set
            use(settings)
        }

        mutating func use(_ latest: Settings) {
            guard latest != given else { return }
            let isNews = latest.inFlightMax != given.inFlightMax
            (given, settings) = (latest, latest)
            // Some of the descriptors are the server's, some are for names and for connections that are kept.
            let most = max((descriptorsMax - 128) / 4 * 3, 1)
            settings.poolSize = Int32(clamping: min(max(descriptorsMax / 64, 4), 256))
            if Int64(settings.inFlightMax) > most {
                settings.inFlightMax = Int32(clamping: most)
                if isNews {
                    Log.warning(
                        "durable http worker carries at most \(most) requests at a time",
                        detail: "It may open \(descriptorsMax) files.",
                        hint:
                            "Raise the server's limit of open files, or lower pg_durable.http_max_in_flight."
                    )
                }
            }
            pgs_exchange_limit(settings.perRoleMax, settings.perHostMax)
            transport?.configure(settings)
        }

        /// Whether there may be more to do at once.
        mutating func work() throws(PostgresError) -> Bool {
            while case let handle = pgs_question_next_taken_back(), handle != 0 { transport?.end(handle) }
            let hasTaken = try takeQuestions()
            transport?.run()
            return placeAnswers() || hasTaken
        }

        /// Until something happens, or is due.
        func wait(after isBusy: Bool) throws(PostgresError) {
            var timeout = transport?.timeout ?? -1
            let upkeep = pgs_exchange_upkeep()
            if upkeep >= 0, timeout < 0 || upkeep < timeout { timeout = upkeep }
            var events: Int32 = 0
            try check(pgs_wait_set_wait(waiting, isBusy ? 0 : timeout, "DurableHTTPMain", &events))
            if events & Int32(PGS_WAIT_LATCH.rawValue) != 0 { pgs_latch_reset() }
        }
    }
}

extension HTTPWorkerProcess.Worker {
    /// Of one round, so that those under way are looked at in between.
    fileprivate static let questionsMax = 64

    fileprivate mutating func takeQuestions() throws(PostgresError) -> Bool {
        var taken = 0
        while pgs_question_is_queued(), taken < Self.questionsMax {
            if transport == nil { try load() }
            var handle: UInt64 = 0
            var role: UInt32 = 0
            var bytes: UnsafeMutablePointer<UInt8>?
            var length = 0
            if let transport {
                guard transport.inFlight < settings.inFlightMax else { break }
                transport.take(&handle, &role, &bytes, &length)
            } else {
                pgs_question_take({ _, _, _ in true }, nil, &handle, &role, &bytes, &length)
            }
            guard handle != 0 else { break }
            defer { pgs_bytes_free(bytes) }
            taken += 1
            start(handle, role, Bytes(UnsafeBufferPointer(start: bytes, count: length)))
        }
        return taken > 0
    }

    fileprivate mutating func start(_ handle: UInt64, _ role: UInt32, _ bytes: Bytes) {
        // It may have waited for room since its executor looked.
        guard settings.isEnabled else {
            replies.append((handle, .failed(.blocked, HTTPPolicy.disabled)))
            return
        }
        guard let transport else {
            var answer = HTTPAnswer(.blocked)
            answer.message = Bytes("df.http() is disabled: \(loadFailure ?? "")".utf8)
            replies.append((handle, answer))
            return
        }
        if let request = HTTPRequest(encoded: bytes) {
            guard !transport.start(handle, role, request, memory: bytes.count) else { return }
            replies.append((handle, .failed(.broken, "out of memory")))
        } else {
            replies.append((handle, .failed(.invalid, "the request is not readable")))
        }
    }

    /// The library comes with the first request, and then stays.
    fileprivate mutating func load() throws(PostgresError) {
        do throws(HTTPTransport.LoadError) {
            let loaded = try HTTPTransport(
                settings,
                HTTPWorkerProcess.libraryName,
                HTTPWorkerProcess.functionName
            )
            transport = loaded
        } catch {
            if loadFailure == nil {
                Log.warning(
                    "durable http worker cannot work: \(error.text)",
                    detail: String(decoding: error.detail, as: UTF8.self)
                )
            }
            loadFailure = error.text
            return
        }
        try check(pgs_wait_set_add(waiting, transport?.descriptor ?? -1))
    }

    /// Whether any has found its place.
    fileprivate mutating func placeAnswers() -> Bool {
        let left = replies.filter { place($0.handle, $0.answer) == PGS_ANSWER_MUST_WAIT }
        let hasReplied = left.count < replies.count
        replies = left
        // An answer that has to wait holds up those of the same role that came after it.
        var waiting: Set<UInt32> = []
        let hasPlaced = transport?.placeAnswers { response in
            guard !waiting.contains(response.owner) else { return false }
            let answer = HTTPAnswer(response, memory: settings.memory)
            let body = UnsafeBufferPointer(start: response.body, count: response.body_count)
            var result = place(response.id, answer, body)
            if result == PGS_ANSWER_TOO_LARGE { result = place(response.id, tooLarge) }
            if result == PGS_ANSWER_MUST_WAIT { waiting.insert(response.owner) }
            return result != PGS_ANSWER_MUST_WAIT
        }
        return hasPlaced == true || hasReplied
    }

    fileprivate var tooLarge: HTTPAnswer {
        var answer = HTTPAnswer(.tooLarge)
        let most = HTTPLimits.shown(settings.sharedMemory / 2)
        answer.message = Bytes(
            "Failed to read response body: it exceeds half of \"pg_durable.http_max_memory\"".utf8
        )
        answer.hint = Bytes("With its headers it may have \(most).".utf8)
        return answer
    }

    /// Writes the answer into shared memory, its body from where the transport has it.
    fileprivate func place(
        _ handle: UInt64,
        _ answer: HTTPAnswer,
        _ body: UnsafeBufferPointer<http_bytes> = UnsafeBufferPointer(start: nil, count: 0)
    ) -> pgs_answer_result {
        let head = answer.encodedHead(bodyCount: body.reduce(0) { $0 + $1.length })
        return head.withUnsafeBufferPointer { head in
            var pieces = [pgs_bytes(data: head.baseAddress, length: head.count)]
            pieces += body.map { pgs_bytes(data: $0.data, length: $0.length) }
            return pieces.withUnsafeBufferPointer { pieces in
                pieces.baseAddress.map { pgs_question_answer(handle, $0, Int32(clamping: pieces.count)) }
                    ?? PGS_ANSWER_TAKEN
            }
        }
    }
}

extension HTTPAnswer {
    fileprivate static func failed(_ outcome: Outcome, _ text: StaticString) -> HTTPAnswer {
        var answer = HTTPAnswer(outcome)
        answer.message = Bytes("\(text)".utf8)
        return answer
    }
}
