// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What the settings allow an HTTP step, and how a step fails that goes beyond it; sizes in bytes.
public struct HTTPLimits: Hashable, Sendable {
    public var requestSizeMax: Int64 = 16 << 20
    /// Of the body, unpacked.
    public var responseSizeMax: Int64 = 16 << 20
    /// Of the envelope, as of any result.
    public var resultSizeMax: Int64 = 16 << 20
    public var timeoutMaxMilliseconds: Int64 = 600_000
    /// Of shared memory, for all requests that wait to be sent and as much for all answers.
    public var memoryMax: Int64 = 32 << 20

    public init() {}

    /// URL and headers of a request together; libcurl builds no request whose head comes near a megabyte.
    static let headSizeMax = 256 << 10

    static var headTooLarge: StepFailure {
        failure(
            "URL and headers of the HTTP request exceed \(shown(Int64(headSizeMax)))",
            "What is longer belongs into the body."
        )
    }

    public var requestTooLarge: StepFailure {
        HTTPLimits.failure(
            "HTTP request exceeds \"pg_durable.http_max_request_size\"",
            "It may have \(HTTPLimits.shown(requestSizeMax)), URL, headers and body together."
        )
    }

    public var requestTooLargeForMemory: StepFailure {
        HTTPLimits.failure(
            "HTTP request exceeds half of \"pg_durable.http_max_memory\"",
            "With its policy it may have \(HTTPLimits.shown(memoryMax))."
        )
    }

    var responseTooLarge: StepFailure {
        HTTPLimits.failure(
            "Failed to read response body: it exceeds \"pg_durable.http_max_response_size\"",
            "It may have \(HTTPLimits.shown(responseSizeMax)), unpacked."
        )
    }

    var resultTooLarge: StepFailure {
        HTTPLimits.failure(
            "HTTP response exceeds \"pg_durable.max_result_size\"",
            "As JSON it may have \(HTTPLimits.shown(resultSizeMax)); quotes, backslashes and control characters grow."
        )
    }

    /// A number of bytes as SHOW prints it.
    public static func shown(_ size: Int64) -> String {
        for (unit, length) in [("GB", Int64(1) << 30), ("MB", 1 << 20), ("kB", 1 << 10)]
        where size >= length && size % length == 0 {
            return "\(size / length)\(unit)"
        }
        return "\(size) bytes"
    }

    private static func failure(_ message: String, _ hint: String) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("54000".utf8),
            message: Bytes(message.utf8),
            hint: Bytes(hint.utf8)
        )
    }
}
