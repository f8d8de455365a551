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
        public var userAgent: Bytes
        public var caFile: Bytes
        public var proxy: Bytes
        public var inFlightMax: Int32
        public var perHostMax: Int32

        public init(
            userAgent: Bytes,
            caFile: Bytes,
            proxy: Bytes,
            inFlightMax: Int32,
            perHostMax: Int32
        ) {
            self.userAgent = userAgent
            self.caFile = caFile
            self.proxy = proxy
            self.inFlightMax = inFlightMax
            self.perHostMax = perHostMax
        }
    }

    private static let libraryName: StaticString = "pg_durable_http"
    private static let functionName: StaticString = "http_transport_api"

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
        guard pgs_exchange_attach() else { return 1 }
        do throws(PostgresError) {
            try loop(read)
        } catch {
            Log.report(error, doing: "running the durable HTTP worker")
        }
        return 1
    }

    private static func loop(_ read: () -> Settings) throws(PostgresError) {
        var settings = read()
        var transport: HTTPTransport?
        defer { transport?.close() }
        while true {
            var reloaded = false
            try check(pgs_interrupts_service(&reloaded))
            if reloaded {
                let latest = read()
                // Connections made under other settings serve nobody any more; what is under way ends first.
                if latest != settings { transport?.retire() }
                settings = latest
            }
            if let old = transport, old.isRetired, old.inFlight == 0 {
                old.close()
                transport = nil
            }
            while case let handle = pgs_question_next_taken_back(), handle != 0 { transport?.abort(handle) }
            try takeQuestions(&transport, settings)
            transport?.run()
            for (handle, answer) in transport?.takeAnswers() ?? [] { try reply(handle, answer) }
            let timeout = transport?.timeout ?? -1
            var events: Int32 = 0
            try check(
                pgs_latch_or_readable_wait(transport?.descriptor ?? -1, timeout, "DurableHTTPMain", &events)
            )
            if events & Int32(PGS_WAIT_LATCH.rawValue) != 0 { pgs_latch_reset() }
        }
    }

    private static func takeQuestions(
        _ transport: inout HTTPTransport?,
        _ settings: Settings
    ) throws(PostgresError) {
        if transport?.isRetired == true { return }
        while (transport?.inFlight ?? 0) < settings.inFlightMax {
            var handle: UInt64 = 0
            var role: UInt32 = 0
            var bytes: UnsafeMutablePointer<UInt8>?
            var length = 0
            try check(pgs_question_take(&handle, &role, &bytes, &length))
            guard handle != 0 else { return }
            let request = HTTPRequest(encoded: Bytes(UnsafeBufferPointer(start: bytes, count: length)))
            pgs_bytes_free(bytes)
            guard let request else {
                try reply(handle, HTTPAnswer.failed(.invalid, "the request is not readable"))
                continue
            }
            if transport == nil {
                do throws(HTTPTransport.LoadError) {
                    transport = try HTTPTransport(settings, libraryName, functionName)
                } catch {
                    var answer = HTTPAnswer(.blocked)
                    answer.message = Bytes("df.http() is disabled: ".utf8) + error.text
                    try reply(handle, answer)
                    continue
                }
            }
            transport?.start(handle, request)
        }
    }

    private static func reply(_ handle: UInt64, _ answer: HTTPAnswer) throws(PostgresError) {
        let bytes = answer.encoded()
        try check(
            bytes.withUnsafeBufferPointer { buffer in
                buffer.baseAddress.flatMap { pgs_question_answer(handle, $0, buffer.count) }
            }
        )
    }
}

extension HTTPAnswer {
    static func failed(_ outcome: Outcome, _ text: StaticString) -> HTTPAnswer {
        var answer = HTTPAnswer(outcome)
        answer.message = Bytes("\(text)".utf8)
        return answer
    }
}
