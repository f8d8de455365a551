// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The functions and operators that build graphs, on envelopes as text.
///
/// An operand is an envelope or plain SQL text, told apart by `Envelope.classify`. Its own members are written
/// anew in their fixed order, its children are copied as they are. All throw what `classify` throws.
public enum Compose {
    /// `df.sql`: a SQL step; the text is never looked into.
    public static func sql(_ query: Bytes) throws(EnvelopeError) -> Bytes {
        try leaf(.sql, query)
    }

    /// `df.seq`, `~>`: `b` after `a`.
    public static func seq(_ a: Bytes, _ b: Bytes) throws(EnvelopeError) -> Bytes {
        try pair(.then, a, b)
    }

    /// `df.as`, `|=>`: names the result of an operand, in place of a name it may have.
    public static func name(_ operand: Bytes, _ name: Bytes) throws(EnvelopeError) -> Bytes {
        if name.isEmpty {
            throw EnvelopeError(.invalidParameterValue, "df.as: result name cannot be empty")
        }
        guard Envelope.isIdentifier(name) else {
            throw EnvelopeError(
                .invalidParameterValue,
                """
                df.as: result name '\(quoting: name)' is not a valid identifier \
                — must match [a-zA-Z_][a-zA-Z0-9_]*
                """
            )
        }
        var node = try Envelope.classify(operand).node
        node.resultName = name
        return node.print()
    }

    /// `df.join`, `&`: both at once, until all have ended.
    public static func join(_ a: Bytes, _ b: Bytes) throws(EnvelopeError) -> Bytes {
        try pair(.join, a, b)
    }

    /// `df.join3`.
    public static func join3(_ a: Bytes, _ b: Bytes, _ c: Bytes) throws(EnvelopeError) -> Bytes {
        EnvelopeNode(kind: .join, left: try child(a), right: try child(b), extras: [try child(c)])
            .print()
    }

    /// `df.race`, `|`: both at once, until the first has ended.
    public static func race(_ a: Bytes, _ b: Bytes) throws(EnvelopeError) -> Bytes {
        try pair(.race, a, b)
    }

    /// `df.loop`, `@>`: `body` again and again while `condition` holds; for ever without one.
    public static func loop(
        _ body: Bytes,
        while condition: Bytes? = nil
    ) throws(EnvelopeError) -> Bytes {
        let body = try child(body)
        guard let condition else { return EnvelopeNode(kind: .loop, left: body).print() }
        return EnvelopeNode(kind: .loop, left: body, condition: try child(condition)).print()
    }

    /// `df.break`: leaves the nearest loop; `value` is a literal.
    public static func `break`(_ value: Bytes? = nil) throws(EnvelopeError) -> Bytes {
        var config = JSONObjectWriter()
        config.member("break_value", string: try value.map(checked))
        return try leaf(.break, config.finish())
    }

    /// `df.sleep`: waits for `seconds`, which must not be negative.
    public static func sleep(seconds: Int64) throws(EnvelopeError) -> Bytes {
        guard seconds >= 0 else {
            throw EnvelopeError(.invalidParameterValue, "Sleep duration must be non-negative")
        }
        return try leaf(.sleep, Bytes(String(seconds).utf8))
    }

    /// `df.wait_for_schedule`: waits for the next time that `expression` names in `zone`, in UTC without one.
    ///
    /// Throws for what is no cron expression, for one that has no tick after `now`, and for an unknown zone.
    public static func schedule(
        _ expression: Bytes,
        zone: Bytes? = nil,
        now: Timestamp,
        zones: any TimeZones
    ) throws(EnvelopeError) -> Bytes {
        let next: Timestamp?
        do throws(CronError) {
            next = try CronSchedule(expression).next(after: now, zone: zone, zones)
        } catch {
            throw EnvelopeError(error)
        }
        guard next != nil else {
            throw EnvelopeError(CronSchedule.error(expression, "it can never fire again, its years are past"))
        }
        var config = JSONObjectWriter()
        config.member("cron_expr", string: try checked(expression))
        if let zone { config.member("timezone", string: try checked(zone)) }
        return try leaf(.waitSchedule, config.finish())
    }

    /// `df.wait_for_signal`: waits for a signal, for `timeout` seconds at most when given.
    public static func signal(_ name: Bytes, timeout: Int32? = nil) throws(EnvelopeError) -> Bytes {
        if name.isEmpty {
            throw EnvelopeError(.invalidParameterValue, "Signal name cannot be empty")
        }
        if let timeout, timeout <= 0 {
            throw EnvelopeError(.invalidParameterValue, "Timeout must be positive")
        }
        var config = JSONObjectWriter()
        config.member("signal_name", string: try checked(name))
        config.member("timeout_seconds", integer: timeout.map(Int64.init))
        return try leaf(.signal, config.finish())
    }

    static func child(_ operand: Bytes) throws(EnvelopeError) -> Bytes {
        try Envelope.classify(operand).node.print()
    }

    private static func pair(
        _ kind: NodeKind,
        _ a: Bytes,
        _ b: Bytes
    ) throws(EnvelopeError) -> Bytes {
        EnvelopeNode(kind: kind, left: try child(a), right: try child(b)).print()
    }

    private static func leaf(_ kind: NodeKind, _ query: Bytes) throws(EnvelopeError) -> Bytes {
        EnvelopeNode(kind: kind, query: try checked(query)).print()
    }

    // Text that goes into an envelope without being classified.
    static func checked(_ text: Bytes) throws(EnvelopeError) -> Bytes {
        if let offset = UTF8Bytes.malformedOffset(text) { throw .malformedText(text, at: offset) }
        return text
    }
}
