// SPDX-License-Identifier: PostgreSQL

public import DurableCore
public import DurableModel

/// Settings of an executor that may change between two turns.
public struct ExecutorSettings: Sendable {
    /// The shortest time from one iteration of a loop to the next, in microseconds; 0 for none.
    public var loopIntervalMin: Int64 = 1_000_000
    /// Most iterations of one run of a loop; 0 for no limit.
    public var loopIterationsMax: Int64 = 0
    /// How much must have come into the journal since a loop's last mark, about in bytes, before it is compacted.
    public var compactionWeight = 2_048
    /// The highest branch number before those that compaction has freed are given out anew.
    public var branchesMax: Int32 = 1 << 30
    /// Most that the journal of an instance may hold, about in bytes; 0 for no limit.
    public var instanceSizeMax = 0
    /// Attempts of a step, as counted in probation, after which it is failed instead of run.
    public var stepAttemptsMax: Int32 = 10
    /// What HTTP steps may ask and be answered.
    public var http = HTTPLimits()
    /// Machines kept between turns.
    public var machinesMax = 256
    /// What the journals of machines that are kept between turns amount to, about in bytes.
    public var machinesSizeMax = 64 << 20

    public init() {}
}

/// How a turn ended.
public enum TurnEnd: Hashable, Sendable {
    /// Nothing is left to do here: what the instance waits for will wake somebody.
    case idle
    /// The instance has ended with this turn.
    case ended
    /// The hint was old: the instance is gone, has ended, or somebody else carries it on.
    case dropped
    /// There is more to do, and others wait.
    ///
    /// The caller puts this hint back, and not the one that the turn was given: it may have moved on to another branch.
    case yielded(Ready)
    /// The journal does not fit the graph; the instance has been ended as failed for this reason.
    case quarantined(Bytes)
}
