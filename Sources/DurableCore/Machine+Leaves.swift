// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// What the nodes without children say in their `query`, and the values they return.
extension Machine {
    /// What a branch waits for that has reached a leaf, a JOIN or a RACE.
    func waiting(at index: NodeIndex, _ node: Node, since: Timestamp) -> Checked<Waiting> {
        switch node.kind {
        case .sql, .http, .httpMultipart:
            return node.query == nil
                ? .invalid(.missing("query", of: node.kind)) : .valid(.step(index))
        case .sleep:
            return SleepNode.seconds(node.query).map { _ in .timer(index, due: nil) }
        case .waitSchedule:
            return .valid(.timer(index, due: nil))
        case .signal:
            return SignalNode.parse(node.query).map { signal in
                let timeout = signal.timeoutSeconds
                return .signal(
                    index,
                    SignalWait(name: signal.name, timeoutSeconds: timeout, due: nil, since: since)
                )
            }
        case .join, .race:
            if node.left == nil { return .invalid(.missing("left_node", of: node.kind)) }
            if node.right == nil { return .invalid(.missing("right_node", of: node.kind)) }
            return .valid(.fork(index))
        case .then, .if, .loop, .break:
            return .invalid(.corruptGraph(index))
        }
    }

    /// When the timer of a SLEEP or WAIT_SCHEDULE that is reached now is due.
    func dueTime(of index: NodeIndex, _ context: DecisionContext) -> Checked<Timestamp> {
        let now = context.now
        guard let node = record.graph.node(index) else { return .invalid(.corruptGraph(index)) }
        if node.kind == .sleep {
            return SleepNode.seconds(node.query).map { seconds in
                now.advanced(bySeconds: Int64(clamping: seconds))
            }
        }
        return ScheduleNode.next(node.query, after: now, context.zones)
    }

    /// What a SLEEP or WAIT_SCHEDULE returns.
    func timerValue(_ index: NodeIndex) -> Bytes {
        guard let node = record.graph.node(index), node.kind == .sleep,
            case .valid(let seconds) = SleepNode.seconds(node.query)
        else { return Bytes("{\"scheduled\": true}".utf8) }
        return Bytes("{\"slept\": true, \"seconds\": \(seconds)}".utf8)
    }
}

enum SleepNode {
    /// The digits of a SLEEP.
    static func seconds(_ query: Bytes?) -> Checked<UInt64> {
        let text = query ?? []
        var seconds: UInt64 = 0
        var isValid = !text.isEmpty
        for byte in text {
            let digit = byte &- UInt8(ascii: "0")
            let (tens, overflow) = seconds.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit))
            guard digit <= 9, !overflow, !carry else {
                isValid = false
                break
            }
            seconds = sum
        }
        if isValid { return .valid(seconds) }
        return .invalid(.invalidParameter(Bytes("Invalid sleep duration: ".utf8) + text))
    }
}

enum ScheduleNode {
    /// The tick of a WAIT_SCHEDULE that follows `now`.
    static func next(
        _ query: Bytes?,
        after now: Timestamp,
        _ zones: any TimeZones
    ) -> Checked<Timestamp> {
        guard let document = JSONDocument.parse(query),
            let expression = document.root[Bytes("cron_expr".utf8)]?.string
        else { return .invalid(.invalidParameter("Invalid schedule config")) }
        let zone = document.root[Bytes("timezone".utf8)]
        guard zone?.isNull ?? true || zone?.string != nil else {
            return .invalid(.invalidParameter("Invalid schedule config"))
        }
        do throws(CronError) {
            let schedule = try CronSchedule(expression)
            if let next = try schedule.next(after: now, zone: zone?.string, zones) {
                return .valid(next)
            }
        } catch {
            var failure = StepFailure.invalidParameter(error.message)
            failure.detail = error.detail
            return .invalid(failure)
        }
        return .invalid(
            .invalidParameter(
                Bytes("No upcoming schedule found for '".utf8) + expression + Bytes("'".utf8)
            )
        )
    }
}

enum SignalNode {
    struct Configuration {
        var name: Bytes
        var timeoutSeconds: Int64?
    }

    static func parse(_ query: Bytes?) -> Checked<Configuration> {
        let invalid = StepFailure.invalidParameter("Invalid signal config")
        guard let document = JSONDocument.parse(query),
            let name = document.root[Bytes("signal_name".utf8)]?.string
        else { return .invalid(invalid) }
        guard let timeout = document.root[Bytes("timeout_seconds".utf8)], !timeout.isNull else {
            return .valid(Configuration(name: name, timeoutSeconds: nil))
        }
        guard timeout.kind == .number, let seconds = DecimalInteger.parse(timeout.raw) else {
            return .invalid(invalid)
        }
        return .valid(Configuration(name: name, timeoutSeconds: max(seconds, 0)))
    }

    /// What a SIGNAL returns; without `data` it has timed out.
    static func value(name: Bytes, data: Bytes?) -> Bytes {
        var object = JSONObjectWriter()
        object.member("signal_name", string: name)
        object.member("timed_out", bool: data == nil)
        object.member("data", raw: data ?? Bytes("null".utf8))
        return object.finish()
    }
}

enum BreakNode {
    /// Deeper values could not be shown: the server reads jsonb recursively.
    private static let depthMax = 1100

    /// The value of a BREAK: its text with names replaced, as JSON if it is JSON and as a JSON string otherwise;
    /// null without a text.
    static func value(query: Bytes?, scope: SubstitutionScope) throws(SubstitutionError) -> Bytes {
        guard let document = JSONDocument.parse(query),
            let text = document.root[Bytes("break_value".utf8)]?.string
        else { return Bytes("null".utf8) }
        let value = try Substitution.apply(text, mode: .raw, scope: scope).text
        try Substitution.checkSize(value.count, scope.sizeMax)
        let parsed: JSONDocument
        do throws(JSONError) {
            parsed = try JSONDocument(value, depthMax: depthMax)
        } catch {
            guard error.isLimit else { return JSONText.quote(value) }
            throw SubstitutionError(
                "54000",
                Bytes("value of df.break() is too large: \(error.message)".utf8)
            )
        }
        guard !parsed.containsNUL else {
            throw SubstitutionError(
                "22P05",
                Bytes("unsupported Unicode escape sequence in the value of df.break()".utf8),
                hint: "\\u0000 cannot be stored as text."
            )
        }
        guard parsed.hasStorableNumbers else {
            throw SubstitutionError(
                "22003",
                Bytes("value of df.break() has a number out of range for type numeric".utf8),
                hint: "Put it between quotes, as text."
            )
        }
        return parsed.compacted()
    }
}

enum RowsCondition {
    /// Whether the result that an IF without condition node names has rows.
    static func test(query: Bytes?, names: [Bytes: Bytes]) -> Checked<Bool> {
        guard let query else { return .invalid(.missing("condition_node", of: .if)) }
        guard let document = JSONDocument.parse(query) else {
            return .invalid(.invalidParameter("Invalid IF config"))
        }
        guard document.root[Bytes("condition_type".utf8)]?.string == Bytes("result_has_rows".utf8)
        else {
            return .invalid(.missing("condition_node", of: .if))
        }
        guard let name = document.root[Bytes("result_name".utf8)]?.string else {
            return .invalid(.invalidParameter("df.if_rows: missing result_name"))
        }
        let subject = Bytes("df.if_rows: result '".utf8) + name
        guard let result = names[name] else {
            let message = subject + Bytes("' not found".utf8)
            return .invalid(StepFailure(sqlstate: Bytes("42704".utf8), message: message))
        }
        guard let value = JSONDocument.parse(result) else {
            return .invalid(.invalidParameter("df.if_rows: invalid result JSON"))
        }
        guard let count = value.root[Bytes("row_count".utf8)], count.kind == .number,
            let rows = DecimalInteger.parse(count.raw), rows >= 0
        else {
            return .invalid(
                .invalidParameter(subject + Bytes("' is not a SQL result (missing row_count)".utf8))
            )
        }
        return .valid(rows > 0)
    }
}

/// Integers as JSON spells them.
enum DecimalInteger {
    /// The value of an optional minus sign and digits, saturated; nil for anything else.
    static func parse(_ text: Bytes) -> Int64? {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative ? text.dropFirst() : text[...]
        guard !digits.isEmpty else { return nil }
        var value: Int64 = 0
        var isSaturated = false
        for byte in digits {
            let digit = byte &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int64(digit))
            isSaturated = isSaturated || overflow || carry
            value = isSaturated ? 0 : sum
        }
        if isSaturated { return isNegative ? .min : .max }
        return isNegative ? -value : value
    }
}

extension JSONDocument {
    /// The document of a text that may be absent or no JSON.
    static func parse(_ text: Bytes?) -> JSONDocument? {
        guard let text else { return nil }
        do throws(JSONError) {
            return try JSONDocument(text)
        } catch {
            return nil
        }
    }
}

extension Timestamp {
    /// This instant plus `seconds`, saturated at the largest finite timestamp.
    func advanced(bySeconds seconds: Int64) -> Timestamp {
        let (microseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return advanced(byMicroseconds: overflow ? (seconds > 0 ? .max : .min) : microseconds)
    }
}
