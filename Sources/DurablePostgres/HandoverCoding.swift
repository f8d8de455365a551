// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// What a start in a transaction of its own sends and gets back, as bytes in shared memory.
///
/// Both ends are processes of one server with one library, so there is no format to keep. Texts are UTF-8, each behind
/// its length; length -1 is none.
enum HandoverCoding {
    /// What is kept of a message, detail or hint: three of them fit an answer.
    private static let textMax = 16 * 1024

    static func encode(_ request: StartRequest) -> Bytes {
        var out: Bytes = []
        out.reserveCapacity(request.envelope.count + 2048)
        append(request.label, to: &out)
        append(request.database, to: &out)
        append(request.envelope, to: &out)
        return out
    }

    static func request(_ bytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) -> StartRequest {
        var reader = Reader(bytes)
        let label = try reader.text()
        let database = try reader.text()
        guard let envelope = try reader.text() else { throw Reader.broken }
        return StartRequest(envelope: envelope, label: label, database: database)
    }

    static func encode(_ answer: Result<Bytes, PostgresError>) -> Bytes {
        var out: Bytes = []
        switch answer {
        case .success(let id):
            append(number: 0, to: &out)
            append(id, to: &out)
        case .failure(let error):
            append(number: error.state.rawValue, to: &out)
            append(error.message.cut(to: textMax), to: &out)
            append(error.detail?.cut(to: textMax), to: &out)
            append(error.hint?.cut(to: textMax), to: &out)
        }
        return out
    }

    static func answer(
        _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(PostgresError) -> Result<Bytes, PostgresError> {
        var reader = Reader(bytes)
        let state = try reader.number()
        guard let first = try reader.text() else { throw Reader.broken }
        guard state != 0 else { return .success(first) }
        return .failure(
            PostgresError(
                state: SQLState(rawValue: state),
                message: first,
                detail: try reader.text(),
                hint: try reader.text()
            )
        )
    }

    private static func append(number: Int32, to out: inout Bytes) {
        for shift in [0, 8, 16, 24] { out.append(UInt8(truncatingIfNeeded: number >> Int32(shift))) }
    }

    private static func append(_ text: Bytes?, to out: inout Bytes) {
        append(number: text.map { Int32(clamping: $0.count) } ?? -1, to: &out)
        out += text ?? []
    }

    private struct Reader {
        private let bytes: UnsafeBufferPointer<UInt8>
        private var position = 0

        init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

        static var broken: PostgresError {
            PostgresError(.internalError, "message between two processes of durable functions is damaged")
        }

        mutating func number() throws(PostgresError) -> Int32 {
            guard bytes.count - position >= 4 else { throw Reader.broken }
            var number: UInt32 = 0
            for i in 0..<4 { number |= UInt32(bytes[position + i]) << UInt32(8 * i) }
            position += 4
            return Int32(bitPattern: number)
        }

        mutating func text() throws(PostgresError) -> Bytes? {
            let length = try number()
            guard length >= 0 else { return nil }
            guard bytes.count - position >= Int(length) else { throw Reader.broken }
            defer { position += Int(length) }
            return Bytes(bytes[position..<position + Int(length)])
        }
    }
}
