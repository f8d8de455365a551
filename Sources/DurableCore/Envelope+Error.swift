// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Why a graph, or a part of one, is refused; in the form of the server's error report.
public struct EnvelopeError: Error, Hashable, Sendable {
    /// Five characters.
    public var sqlstate: Bytes
    public var message: Bytes
    public var detail: Bytes?
    public var hint: Bytes?

    public init(sqlstate: Bytes, message: Bytes, detail: Bytes? = nil, hint: Bytes? = nil) {
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    /// The conditions that composing and validating a graph can meet.
    enum Condition: String {
        case invalidParameterValue = "22023"
        case invalidTextRepresentation = "22P02"
        case untranslatableCharacter = "22P05"
        case characterNotInRepertoire = "22021"
        case checkViolation = "23514"
        case programLimitExceeded = "54000"
        case statementTooComplex = "54001"
        case raiseException = "P0001"
    }

    init(
        _ condition: Condition,
        _ message: ByteText,
        detail: ByteText? = nil,
        hint: ByteText? = nil
    ) {
        self.init(
            sqlstate: Bytes(condition.rawValue.utf8),
            message: message.bytes,
            detail: detail?.bytes,
            hint: hint?.bytes
        )
    }

    init(_ error: CronError) {
        self.init(sqlstate: error.sqlstate, message: error.message, detail: error.detail)
    }

    static func unknownNodeType(_ name: Bytes, prefix: ByteText) -> EnvelopeError {
        let valid = Envelope.nodeTypes.joined(separator: ", ")
        return EnvelopeError(
            .invalidParameterValue,
            "\(prefix.bytes)Unknown node_type '\(quoting: name)'. Valid types: \(valid)"
        )
    }

    static func nulEscape(prefix: ByteText) -> EnvelopeError {
        EnvelopeError(
            .untranslatableCharacter,
            "\(prefix.bytes)unsupported Unicode escape sequence",
            detail: #"\u0000 cannot be converted to text."#
        )
    }

    static func malformedText(_ text: Bytes, at offset: Int) -> EnvelopeError {
        let byte = offset < text.count ? text[offset] : 0
        let hex = Bytes([JSONText.hexCharacter(byte >> 4), JSONText.hexCharacter(byte)])
        return EnvelopeError(
            .characterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0x\(hex)"
        )
    }
}
