// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// A configuration parameter of the extension. Meant for a `static let`; `define()` runs in the library's init.
///
/// Before that it has its initial value. The value changes when the server says so: at a reload, at SET.
// SAFETY: the cell is allocated once and never freed; a server process has one thread.
public struct Setting<Value>: @unchecked Sendable {
    fileprivate let cell: UnsafeMutablePointer<pgs_setting>?
    fileprivate let initial: Value
    fileprivate let read: (pgs_setting) -> Value
    fileprivate let register: (UnsafeMutablePointer<pgs_setting>) -> OpaquePointer?

    fileprivate init(
        initial: Value,
        read: @escaping (pgs_setting) -> Value,
        write: (inout pgs_setting) -> Void,
        register: @escaping (UnsafeMutablePointer<pgs_setting>) -> OpaquePointer?
    ) {
        cell = pgs_setting_new()
        self.initial = initial
        self.read = read
        self.register = register
        if let cell {
            write(&cell.pointee)
        }
    }

    /// The value in force now.
    public var value: Value {
        guard let cell else { return initial }
        return read(cell.pointee)
    }

    /// Makes it known to the server.
    ///
    /// The corresponding C functions are `DefineCustom…Variable`.
    public func define() throws(PostgresError) {
        guard let cell else { throw PostgresError(.outOfMemory, "out of memory") }
        try check(register(cell))
    }
}

/// Who may change a setting, and when.
///
/// The corresponding C type is `GucContext`.
public enum SettingContext: Sendable {
    case `internal`
    case postmaster
    case sighup
    case superuserBackend
    case backend
    case superuser
    case user

    fileprivate var inC: pgs_setting_context {
        switch self {
        case .internal: PGS_SETTING_INTERNAL
        case .postmaster: PGS_SETTING_POSTMASTER
        case .sighup: PGS_SETTING_SIGHUP
        case .superuserBackend: PGS_SETTING_SUPERUSER_BACKEND
        case .backend: PGS_SETTING_BACKEND
        case .superuser: PGS_SETTING_SUPERUSER
        case .user: PGS_SETTING_USER
        }
    }
}

/// In what a number is meant and shown.
public enum SettingUnit: Sendable {
    case none
    case bytes
    case kilobytes
    case megabytes
    case milliseconds
    case seconds
    case minutes

    fileprivate var inC: pgs_setting_unit {
        switch self {
        case .none: PGS_UNIT_NONE
        case .bytes: PGS_UNIT_BYTES
        case .kilobytes: PGS_UNIT_KILOBYTES
        case .megabytes: PGS_UNIT_MEGABYTES
        case .milliseconds: PGS_UNIT_MILLISECONDS
        case .seconds: PGS_UNIT_SECONDS
        case .minutes: PGS_UNIT_MINUTES
        }
    }
}

/// What all kinds of settings say about themselves.
public struct SettingInfo: Sendable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: Int32

        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        /// Others do not see the value.
        public static let superuserOnly = Flags(rawValue: 1)
        public static let notInShowAll = Flags(rawValue: 2)
        public static let notInSample = Flags(rawValue: 4)
        public static let notInFile = Flags(rawValue: 8)
    }

    let name: StaticString
    let summary: StaticString
    let details: StaticString?
    let context: SettingContext
    let unit: SettingUnit
    let flags: Flags

    /// The name is `prefix.name`; the summary is what `pg_settings.short_desc` shows.
    public init(
        _ name: StaticString,
        _ context: SettingContext,
        _ summary: StaticString,
        details: StaticString? = nil,
        unit: SettingUnit = .none,
        flags: Flags = []
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.context = context
        self.unit = unit
        self.flags = flags
    }

    fileprivate var inC: pgs_setting_info {
        pgs_setting_info(
            name: name.pointer,
            summary: summary.pointer,
            details: details?.pointer,
            context: context.inC,
            unit: unit.inC,
            flags: flags.rawValue
        )
    }
}

extension Setting where Value == Bool {
    public init(_ info: SettingInfo, initial: Bool) {
        self.init(
            initial: initial,
            read: { $0.boolean },
            write: { $0.boolean = initial },
            register: { pgs_setting_bool($0, info.inC, initial) }
        )
    }
}

extension Setting where Value == Int {
    /// The range is of 32-bit numbers.
    public init(_ info: SettingInfo, initial: Int, in range: ClosedRange<Int>) {
        let initial = Int32(clamping: initial)
        let (min, max) = (Int32(clamping: range.lowerBound), Int32(clamping: range.upperBound))
        self.init(
            initial: Int(initial),
            read: { Int($0.integer) },
            write: { $0.integer = initial },
            register: { pgs_setting_int($0, info.inC, initial, min, max) }
        )
    }
}

extension Setting where Value == Double {
    public init(_ info: SettingInfo, initial: Double, in range: ClosedRange<Double>) {
        self.init(
            initial: initial,
            read: { $0.real },
            write: { $0.real = initial },
            register: {
                pgs_setting_real($0, info.inC, initial, range.lowerBound, range.upperBound)
            }
        )
    }
}

extension Setting where Value == [UInt8] {
    /// The value is in the database's encoding; name and initial value should be ASCII.
    public init(_ info: SettingInfo, initial: StaticString) {
        self.init(
            initial: initial.withUTF8Buffer { Array($0) },
            read: { cell in
                guard let start = cell.string else { return [] }
                var count = 0
                while start[count] != 0 { count &+= 1 }
                return UnsafeRawBufferPointer(start: start, count: count).map { $0 }
            },
            write: { _ in },
            register: { pgs_setting_string($0, info.inC, initial.pointer) }
        )
    }
}

extension Setting
where Value: CaseIterable & RawRepresentable & Equatable, Value.RawValue == String {
    /// The names are the cases' raw values, lower case, in the order of the cases.
    public init(_ info: SettingInfo, initial: Value) {
        let all = Array(Value.allCases)
        let first = Int32(clamping: all.firstIndex(of: initial) ?? 0)
        self.init(
            initial: initial,
            read: { cell in
                let index = Int(cell.integer)
                return all.indices.contains(index) ? all[index] : initial
            },
            write: { $0.integer = first },
            register: { cell in
                withCStrings(all.map { Array($0.rawValue.utf8) }) { names in
                    pgs_setting_enum(cell, info.inC, first, names, Int32(clamping: all.count))
                }
            }
        )
    }
}

/// Everything under `prefix.`.
public enum Settings {
    /// Refuses settings of the prefix that the extension has not defined; after the last `define()`.
    ///
    /// The corresponding C function is `MarkGUCPrefixReserved`.
    public static func reserve(_ prefix: StaticString) throws(PostgresError) {
        try check(pgs_settings_reserve(prefix.pointer))
    }

    /// Sets any parameter of this session, with a superuser's right.
    ///
    /// The corresponding C function is `SetConfigOption`.
    public static func assign(_ name: StaticString, _ value: StaticString) throws(PostgresError) {
        try check(pgs_setting_assign(name.pointer, value.pointer))
    }
}

/// Lends an array of C strings.
private func withCStrings<R>(
    _ texts: [[UInt8]],
    _ body: (UnsafePointer<UnsafePointer<CChar>>) -> R
) -> R {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for text in texts {
        offsets.append(bytes.count)
        bytes.append(contentsOf: text.map { CChar(bitPattern: $0) })
        bytes.append(0)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        let pointers = offsets.compactMap { offset in buffer.baseAddress.map { $0 + offset } }
        return pointers.withUnsafeBufferPointer { list in
            guard let start = list.baseAddress else {
                return withUnsafePointer(to: StaticString("").pointer) { body($0) }
            }
            return body(start)
        }
    }
}
