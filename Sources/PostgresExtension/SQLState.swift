// SPDX-License-Identifier: PostgreSQL

/// A condition by its five-character code, packed as the server's `MAKE_SQLSTATE` does.
///
/// An open set: the server and other extensions send codes that are not named here.
public struct SQLState: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// A code written in the source, as in `SQLState("40001")`.
    ///
    /// Anything but five ASCII digits and capital letters becomes `XX000`.
    public init(_ code: StaticString) {
        self =
            code.withUTF8Buffer { SQLState(bytes: Array($0)) }
            ?? SQLState(rawValue: SQLState.pack(0x58, 0x58, 0x30, 0x30, 0x30))
    }

    /// A code that came from outside; nil unless it is five ASCII digits and capital letters.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 5 else { return nil }
        for byte in bytes where !(0x30...0x39).contains(byte) && !(0x41...0x5A).contains(byte) {
            return nil
        }
        rawValue = SQLState.pack(bytes[0], bytes[1], bytes[2], bytes[3], bytes[4])
    }

    /// The five characters.
    public var text: [UInt8] {
        (0..<5).map { UInt8((UInt32(bitPattern: rawValue) &>> (6 &* UInt32($0))) & 0x3F) &+ 0x30 }
    }

    /// Whether the same transaction may succeed when it is run again from the start.
    public var isRetryable: Bool { self == .serializationFailure || self == .deadlockDetected }

    private static func pack(
        _ a: UInt8,
        _ b: UInt8,
        _ c: UInt8,
        _ d: UInt8,
        _ e: UInt8
    ) -> Int32 {
        var packed: Int32 = 0
        for byte in [e, d, c, b, a] {
            packed = (packed &<< 6) | Int32((byte &- 0x30) & 0x3F)
        }
        return packed
    }
}

extension SQLState: CustomStringConvertible {
    public var description: String { String(decoding: text, as: UTF8.self) }
}

extension SQLState {
    public static let featureNotSupported = SQLState("0A000")
    public static let cardinalityViolation = SQLState("21000")
    public static let dataException = SQLState("22000")
    public static let stringDataRightTruncation = SQLState("22001")
    public static let numericValueOutOfRange = SQLState("22003")
    public static let nullValueNotAllowed = SQLState("22004")
    public static let datetimeFieldOverflow = SQLState("22008")
    public static let characterNotInRepertoire = SQLState("22021")
    public static let invalidParameterValue = SQLState("22023")
    public static let invalidTextRepresentation = SQLState("22P02")
    public static let invalidBinaryRepresentation = SQLState("22P03")
    public static let notNullViolation = SQLState("23502")
    public static let foreignKeyViolation = SQLState("23503")
    public static let uniqueViolation = SQLState("23505")
    public static let checkViolation = SQLState("23514")
    public static let invalidTransactionState = SQLState("25000")
    public static let activeTransaction = SQLState("25001")
    public static let readOnlyTransaction = SQLState("25006")
    public static let noActiveTransaction = SQLState("25P01")
    public static let invalidTransactionTermination = SQLState("2D000")
    public static let invalidCatalogName = SQLState("3D000")
    public static let serializationFailure = SQLState("40001")
    public static let deadlockDetected = SQLState("40P01")
    public static let insufficientPrivilege = SQLState("42501")
    public static let syntaxError = SQLState("42601")
    public static let undefinedColumn = SQLState("42703")
    public static let undefinedObject = SQLState("42704")
    public static let duplicateObject = SQLState("42710")
    public static let datatypeMismatch = SQLState("42804")
    public static let undefinedFunction = SQLState("42883")
    public static let undefinedTable = SQLState("42P01")
    public static let insufficientResources = SQLState("53000")
    public static let outOfMemory = SQLState("53200")
    public static let configurationLimitExceeded = SQLState("53400")
    public static let programLimitExceeded = SQLState("54000")
    public static let statementTooComplex = SQLState("54001")
    public static let objectNotInPrerequisiteState = SQLState("55000")
    public static let objectInUse = SQLState("55006")
    public static let lockNotAvailable = SQLState("55P03")
    public static let queryCanceled = SQLState("57014")
    public static let adminShutdown = SQLState("57P01")
    public static let crashShutdown = SQLState("57P02")
    public static let cannotConnectNow = SQLState("57P03")
    public static let databaseDropped = SQLState("57P04")
    public static let idleSessionTimeout = SQLState("57P05")
    public static let raiseException = SQLState("P0001")
    public static let internalError = SQLState("XX000")
    public static let dataCorrupted = SQLState("XX001")
}
