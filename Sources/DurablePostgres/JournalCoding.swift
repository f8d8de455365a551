// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// How events stand in `df_internal.journal` (format 1): `kind`, `number`, `payload`.
///
/// | kind | event | number | payload |
/// |---|---|---|---|
/// | 1 | stepCompleted | – or n | result, or null for `{"rows":[],"row_count":n}` |
/// | 2 | stepFailed | – | failure as JSON |
/// | 3 | attemptStarted | attempt | – |
/// | 4 | timerSet | due, server timestamp | – |
/// | 5 | timerFired | – | – |
/// | 6 | signalReceived | – | data |
/// | 7 | forked | first branch << 32 \| count | – |
/// | 8 | raceDecided | arm | – |
/// | 9 | iterated | iteration | `{"base":n,"kept":n,"branch":n}`, with `"names":{…}` of JSON texts as strings |
enum JournalCoding {
    static func columns(_ event: Event) -> (kind: Int16, number: Column, payload: Column) {
        switch event {
        case .stepCompleted(let result):
            if let count = rowlessCount(result) { return (1, .int8(count), .null) }
            return (1, .null, .text(result))
        case .stepFailed(let failure): return (2, .null, .text(FailureCoding.encode(failure)))
        case .attemptStarted(let number): return (3, .int8(Int64(number)), .null)
        case .timerSet(let due): return (4, .int8(due.rawValue), .null)
        case .timerFired: return (5, .null, .null)
        case .signalReceived(let data): return (6, .null, .text(data))
        case .forked(let first, let count):
            return (7, .int8(Int64(first.rawValue) << 32 | Int64(count)), .null)
        case .raceDecided(let winner): return (8, .int8(Int64(winner)), .null)
        case .iterated(let mark): return (9, .int8(mark.iteration), .text(LoopMarkCoding.encode(mark)))
        }
    }

    static func row(_ entry: JournalEntry, of instance: InstanceID) -> [Column] {
        let (kind, number, payload) = columns(entry.event)
        return [
            .int8(instance.rawValue), .time(entry.at), .int4(entry.branch.rawValue),
            .int8(entry.sequence),
            .int4(entry.node.rawValue), .int2(kind), number, payload,
        ]
    }

    static func entry(_ row: borrowing ScannedRow) throws(PostgresError) -> JournalEntry {
        JournalEntry(
            branch: BranchID(rawValue: row.int32(2)),
            sequence: row.number(3),
            node: NodeIndex(rawValue: row.int32(4)),
            at: row.time(1),
            event: try event(row)
        )
    }

    /// The size of a stored result, 0 for any other entry; reads no payload.
    static func sizeOfResult(_ row: borrowing ScannedRow) throws(PostgresError) -> Int {
        row.number(5) == 1 ? try row.size(7) : 0
    }

    /// The entry of a result that is not read.
    static func entry(_ row: borrowing ScannedRow, omitted: Int) -> JournalEntry {
        JournalEntry(
            branch: BranchID(rawValue: row.int32(2)),
            sequence: row.number(3),
            node: NodeIndex(rawValue: row.int32(4)),
            at: row.time(1),
            event: .stepCompleted(result: Bytes("null".utf8)),
            omitted: omitted - 4
        )
    }

    private static func event(_ row: borrowing ScannedRow) throws(PostgresError) -> Event {
        let number = row.number(6)
        switch row.number(5) {
        case 1: return .stepCompleted(result: row.optionalText(7) ?? rowless(number))
        case 2: return .stepFailed(try FailureCoding.decode(row.bytes(7)))
        case 3: return .attemptStarted(number: Int32(truncatingIfNeeded: number))
        case 4: return .timerSet(due: Timestamp(rawValue: number))
        case 5: return .timerFired
        case 6: return .signalReceived(data: row.bytes(7))
        case 7:
            return .forked(
                first: BranchID(rawValue: Int32(truncatingIfNeeded: number >> 32)),
                count: Int32(truncatingIfNeeded: number)
            )
        case 8: return .raceDecided(winner: Int32(truncatingIfNeeded: number))
        case 9: return .iterated(try LoopMarkCoding.decode(row.bytes(7), iteration: number))
        case let kind where kind > 9:
            throw .newerFormat("journal of instance \(row.number(0)) holds an entry of kind \(kind)")
        case let kind:
            throw PostgresError(
                .dataCorrupted,
                "journal of instance \(row.number(0)) holds an entry of kind \(kind), which there is not"
            )
        }
    }

    private static let rowlessHead = Bytes(#"{"rows":[],"row_count":"#.utf8)

    private static func rowless(_ count: Int64) -> Bytes {
        rowlessHead + Bytes(String(count).utf8) + [UInt8(ascii: "}")]
    }

    /// n when `result` is exactly what `rowless(n)` prints.
    private static func rowlessCount(_ result: Bytes) -> Int64? {
        guard result.count > rowlessHead.count + 1, result.count < rowlessHead.count + 20,
            result.starts(with: rowlessHead), result.last == UInt8(ascii: "}")
        else { return nil }
        var count: Int64 = 0
        for digit in result[rowlessHead.count..<(result.count - 1)] {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            count = count &* 10 &+ Int64(digit - 0x30)
        }
        return rowless(count) == result ? count : nil
    }
}

/// A loop mark without its iteration as one JSON object.
enum LoopMarkCoding {
    static func encode(_ mark: LoopMark) -> Bytes {
        var out = Bytes(
            #"{"base":\#(mark.base),"kept":\#(mark.keptFrom),"branch":\#(mark.nextBranch.rawValue)"#.utf8
        )
        if !mark.names.isEmpty {
            let names = mark.names.map { (name: $0.key, value: $0.value) }
            out += Bytes(#","names":"#.utf8)
            out += VariableCoding.encode(names) ?? Bytes("{}".utf8)
        }
        out.append(UInt8(ascii: "}"))
        return out
    }

    static func decode(_ text: Bytes, iteration: Int64) throws(PostgresError) -> LoopMark {
        let root = (try? JSONDocument(text))?.root
        func number(_ name: String) -> Int64? {
            root?[Bytes(name.utf8)].flatMap { Int64(String(decoding: $0.raw, as: UTF8.self)) }
        }
        guard let root, let base = number("base"), let kept = number("kept"),
            let branch = number("branch").flatMap(Int32.init(exactly:))
        else { throw PostgresError(.dataCorrupted, "stored loop mark is not readable") }
        var names: [Bytes: Bytes] = [:]
        if let stored = root[Bytes("names".utf8)] {
            for (name, value) in stored.members { names[name] = value.string }
        }
        return LoopMark(
            iteration: iteration,
            base: base,
            keptFrom: kept,
            nextBranch: BranchID(rawValue: branch),
            names: names
        )
    }
}

/// A failure as one JSON object, in the journal and in `df_internal.ended`.
enum FailureCoding {
    static func encode(_ failure: StepFailure) -> Bytes {
        var out = JSONObjectWriter()
        out.member("sqlstate", string: failure.sqlstate)
        out.member("message", string: storable(failure.message))
        if let detail = failure.detail { out.member("detail", string: storable(detail)) }
        if let hint = failure.hint { out.member("hint", string: storable(hint)) }
        if let context = failure.context { out.member("context", string: context) }
        return out.finish()
    }

    /// The engine's own texts hold dashes and ellipses that other encodings than UTF8 may not have.
    static func storable(_ text: Bytes) -> Bytes {
        guard !pgs_server_is_utf8(), text.contains(0xE2) else { return text }
        var out: Bytes = []
        var i = 0
        while i < text.count {
            let rest = text[i...].prefix(3)
            if rest.elementsEqual([0xE2, 0x80, 0x94]) {
                out.append(UInt8(ascii: "-"))
                i += 3
            } else if rest.elementsEqual([0xE2, 0x80, 0xA6]) {
                out += Bytes("...".utf8)
                i += 3
            } else {
                out.append(text[i])
                i += 1
            }
        }
        return out
    }

    static func decode(_ text: Bytes) throws(PostgresError) -> StepFailure {
        let root = (try? JSONDocument(text))?.root
        func field(_ name: String) -> Bytes? { root?[Bytes(name.utf8)]?.string }
        guard let sqlstate = field("sqlstate"), let message = field("message") else {
            throw PostgresError(.dataCorrupted, "stored failure report is not readable")
        }
        return StepFailure(
            sqlstate: sqlstate,
            message: message,
            detail: field("detail"),
            hint: field("hint"),
            context: field("context")
        )
    }
}
