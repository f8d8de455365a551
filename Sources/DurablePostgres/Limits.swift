// SPDX-License-Identifier: PostgreSQL

/// Limits that the composition root takes from the settings; in bytes.
public enum Limits {
    // SAFETY: a server process has one thread; written between turns only.
    /// Largest result of a step.
    nonisolated(unsafe) public static var resultSize: Int64 = 16 * 1024 * 1024
    /// Largest envelope of a graph.
    public static let graphSize = 4 * 1024 * 1024
    /// Longest text that is looked up as an id.
    public static let idSize = 1024
    /// Longest name of a result or a variable.
    public static let nameSize = 1024
    /// Longest cron expression; a longer list would only repeat its values.
    public static let scheduleSize = 4096
    /// Characters that are shown of the text a step has run.
    public static let executedTextLength = 100_000
    /// Longest reason of a cancel.
    public static let reasonSize = 8 * 1024
    /// Largest label.
    public static let labelSize = 1024
    /// Most of all variables of a role together.
    public static let variablesSize = 1024 * 1024
    /// Private memory at which an executor is replaced by a fresh one.
    public static let executorMemory = 256 * 1024 * 1024
    /// What is kept of an error's message, detail and hint, each.
    public static let messageSize = 1024 * 1024
    /// What is kept of an error's context.
    public static let contextSize = 64 * 1024
}

/// Whether the server came back from a crash not long ago: then every step's attempt is written before it runs, so
/// that a step that takes the server down is found out.
public enum Probation {
    // SAFETY: a server process has one thread; written between turns only.
    nonisolated(unsafe) public static var isOn = false
    /// Attempts after which a step is failed instead of run.
    nonisolated(unsafe) public static var attemptsMax: Int32 = 10
}
