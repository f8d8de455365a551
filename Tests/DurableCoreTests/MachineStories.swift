// SPDX-License-Identifier: PostgreSQL

import DurableModel
import DurableTestKit

@testable import DurableCore

/// An instance on a desk: steps are answered by hand, time is set by hand, and after each call the machine's
/// invariants are checked and its journal is replayed into an equal one.
struct Desk {
    private(set) var machine: Machine
    /// What is left of it after compaction.
    private(set) var journal: [JournalEntry] = []
    private(set) var last = Decided()
    /// What was wrong with the machine at some point.
    private(set) var wrong: String?
    var second: Int64 = 0
    var signals: [PendingSignal] = []
    var loopIntervalMin: Int64 = 1_000_000
    var loopIterationsMax: Int64 = 0
    var compactionWeight = 2_048
    var branchesMax = Int32.max / 2
    var instanceSizeMax = 0

    init(_ tree: Tree, variables: [String: String] = [:]) {
        self.init(Graph(tree), variables: variables)
    }

    init(_ graph: Graph, variables: [String: String] = [:], valueSizeMax: Int = 16 << 20) {
        var record = InstanceRecord.test(graph, variables: variables)
        record.valueSizeMax = valueSizeMax
        machine = Machine(record: record)
        decide()
    }

    var now: Timestamp { Timestamp(rawValue: second * 1_000_000) }

    /// Lets the machine decide what it can at this second.
    mutating func decide(cancel: String? = nil) {
        let context = DecisionContext(
            now: now,
            cancelReason: cancel.map { Bytes($0.utf8) },
            loopIntervalMin: loopIntervalMin,
            loopIterationsMax: loopIterationsMax,
            compactionWeight: compactionWeight,
            branchesMax: branchesMax,
            instanceSizeMax: instanceSizeMax
        )
        do throws(ReplayError) {
            last = try machine.decide(context, signals: SignalList(signals))
            let own = journal.count
            journal += last.entries
            for (erasure, after) in last.erasures.reversed() {
                journal = journal.enumerated().filter { i, entry in
                    !(i < own + after && erasure.covers(entry))
                }.map(\.element)
            }
            signals.removeAll { last.signalsConsumed.contains($0.number) }
        } catch {
            wrong = wrong ?? error.description
        }
        check()
    }

    mutating func at(_ second: Int64) {
        self.second = second
        decide()
    }

    /// The only runnable step returns `result`.
    mutating func complete(_ result: String, branch: Int32 = 0) {
        do throws(ReplayError) {
            let id = BranchID(rawValue: branch)
            journal.append(try machine.completeStep(id, result: Bytes(result.utf8), at: now))
        } catch {
            wrong = wrong ?? error.description
        }
        decide()
    }

    mutating func fail(_ message: String, branch: Int32 = 0) {
        let failure = StepFailure(sqlstate: Bytes("22012".utf8), message: Bytes(message.utf8))
        do throws(ReplayError) {
            journal.append(try machine.failStep(BranchID(rawValue: branch), failure, at: now))
        } catch {
            wrong = wrong ?? error.description
        }
        decide()
    }

    mutating func send(_ name: String, _ data: String, number: Int64) {
        signals.append(
            PendingSignal(number: number, name: Bytes(name.utf8), data: Bytes(data.utf8))
        )
        decide()
    }

    /// The text of the step that a branch waits for.
    func text(branch: Int32 = 0) -> String? {
        do throws(SubstitutionError) {
            return try machine.stepText(BranchID(rawValue: branch)).map {
                String(decoding: $0.text, as: UTF8.self)
            }
        } catch {
            return "error: " + String(decoding: error.message, as: UTF8.self)
        }
    }

    /// How it ended: the value, or the failure's text after "failed: ".
    var end: String? {
        switch machine.outcome {
        case nil: nil
        case .completed(let value): String(decoding: value, as: UTF8.self)
        case .failed(let text, _): "failed: " + String(decoding: text, as: UTF8.self)
        case .cancelled(let reason): "cancelled: " + String(decoding: reason, as: UTF8.self)
        }
    }

    var runnable: [Int32] { machine.runnableBranches.map(\.rawValue).sorted() }

    /// What monitoring shows of the nodes.
    func states() -> NodeStates? {
        do throws(ReplayError) {
            return try NodeStates(record: machine.record, journal: journal.byKey, keepsNames: true)
        } catch {
            return nil
        }
    }

    private mutating func check() {
        if let broken = machine.checkInvariants() { wrong = wrong ?? broken }
        var replayed = Machine(record: machine.record)
        do throws(ReplayError) {
            try replayed.fold(all: journal.byKey)
        } catch {
            wrong = wrong ?? "replay: \(error.description)"
            return
        }
        if let broken = replayed.checkInvariants() { wrong = wrong ?? "replayed: \(broken)" }
        let stored = journal.reduce(0) { $0 + $1.event.weight }
        if machine.journalSize != stored {
            wrong = wrong ?? "the journal is \(stored), not \(machine.journalSize)"
        }
        if replayed.journalSize != stored {
            wrong = wrong ?? "replayed, the journal is \(replayed.journalSize)"
        }
        guard machine.outcome == nil else { return }
        if let difference = replayed.difference(from: machine) {
            wrong = wrong ?? "the replayed machine differs: \(difference)"
        }
    }
}

/// A SQL result of one row and one column.
func row(_ value: String) -> String { #"{"rows":[{"v":\#(value)}],"row_count":1}"# }
let noRows = #"{"rows":[],"row_count":0}"#
