// SPDX-License-Identifier: PostgreSQL

/// How long something whose start failed is left alone: twice as long each time, until it has gone well for a while.
public struct StartBackoff<Key: Hashable & Sendable>: Sendable {
    private struct Entry {
        var delay: Int64
        var until: Int64
    }

    private let delayMin: Int64
    private let delayMax: Int64
    private let forgetAfter: Int64
    private var entries: [Key: Entry] = [:]

    /// In microseconds, if nothing else is said.
    public static var longestDelay: Int64 { 10_000_000 }

    /// All in microseconds: the first delay, the longest, and after how much time without a failure it starts anew.
    public init(
        delayMin: Int64 = 10_000,
        delayMax: Int64 = StartBackoff.longestDelay,
        forgetAfter: Int64 = 60_000_000
    ) {
        self.delayMin = delayMin
        self.delayMax = delayMax
        self.forgetAfter = forgetAfter
    }

    /// Notes a failure and returns until when to wait, `atMost` microseconds.
    ///
    /// Without a limit of its own a failure counts as a start that the next one will do no better; what had begun well
    /// and was ended from outside gets one.
    @discardableResult
    public mutating func failed(_ key: Key, at now: Int64, atMost limit: Int64 = .max) -> Int64 {
        var delay = delayMin
        if let entry = entries[key], now < entry.until.saturatingAdd(forgetAfter) {
            let (doubled, overflow) = entry.delay.multipliedReportingOverflow(by: 2)
            delay = overflow ? delayMax : min(doubled, delayMax)
            delay = min(delay, limit)
        }
        let until = now.saturatingAdd(delay)
        entries[key] = Entry(delay: delay, until: until)
        return until
    }

    public mutating func succeeded(_ key: Key) {
        entries[key] = nil
    }

    /// Who is left alone at `now`, and until when.
    ///
    /// Forgets what is long over.
    public mutating func held(at now: Int64) -> [Key: Int64] {
        var held: [Key: Int64] = [:]
        for (key, entry) in entries {
            if entry.until > now {
                held[key] = entry.until
            } else if now >= entry.until.saturatingAdd(forgetAfter) {
                entries[key] = nil
            }
        }
        return held
    }
}
