// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// The semantics of compat.md §3 once more, as plainly as it can be said: a recursive walk without
/// frames, branches or replay.
///
/// It shares no code with the machine.
///
/// What only chance decides (which arm won, which signal came) it looks up in the journal, and nothing else: which
/// steps run, what they see and what comes out of it is computed here.
struct ReferenceInterpreter {
    enum Result: Equatable {
        case value(String)
        case broke(String)
        case failed(String)
        /// The journal ends here: a lost race, or a cancel.
        case cut
    }

    struct Scope {
        var names: [String: String] = [:]
        var assigned: Set<String> = []
    }

    private let graph: Graph
    let variables: [String: String]
    private let journal: [BranchID: [JournalEntry]]
    private var cursor: [BranchID: Int] = [:]
    private var executions: [Int32: Int] = [:]
    /// Each statement that was carried out, and how often.
    private(set) var effects: [String: Int] = [:]
    /// Where the journal does not say what the walk needs.
    var mismatch: String?

    init(record: InstanceRecord, journal: [BranchID: [JournalEntry]]) {
        graph = record.graph
        self.journal = journal
        var variables: [String: String] = [:]
        for (name, value) in record.variables {
            variables[String(decoding: name, as: UTF8.self)] = String(
                decoding: value,
                as: UTF8.self
            )
        }
        self.variables = variables
    }

    /// Walks the whole graph.
    ///
    /// `mayBeCut` says that the instance was cancelled.
    mutating func run(mayBeCut: Bool) -> Result {
        var scope = Scope()
        let result = walk(0, .root, &scope, isBranchRoot: true, mayBeCut: mayBeCut)
        for (branch, entries) in journal where cursor[branch, default: 0] != entries.count {
            mismatch = mismatch ?? "entries of branch \(branch.rawValue) that nothing asked for"
        }
        return result
    }

    private mutating func walk(
        _ index: Int32,
        _ branch: BranchID,
        _ scope: inout Scope,
        isBranchRoot: Bool = false,
        mayBeCut: Bool
    ) -> Result {
        let node = graph.nodes[Int(index)]
        let result: Result
        switch node.kind {
        case .then:
            let left = walk(child(node.left), branch, &scope, mayBeCut: mayBeCut)
            guard case .value = left else { return left }
            result = walk(child(node.right), branch, &scope, mayBeCut: mayBeCut)
        case .if:
            result = walkIf(node, branch, &scope, mayBeCut)
        case .loop:
            result = walkLoop(index, node, branch, &scope, isBranchRoot, mayBeCut)
        case .join:
            result = walkJoin(index, node, branch, &scope, mayBeCut)
        case .race:
            result = walkRace(index, node, branch, &scope, mayBeCut)
        case .sql:
            result = walkStep(index, node, branch, scope, mayBeCut)
        case .sleep:
            let digits = text(node.query)
            guard let seconds = UInt64(digits) else {
                return .failed("Invalid sleep duration: \(digits)")
            }
            result =
                fires(index, branch, mayBeCut)
                ?? .value("{\"slept\": true, \"seconds\": \(seconds)}")
        case .waitSchedule:
            result = fires(index, branch, mayBeCut) ?? .value("{\"scheduled\": true}")
        case .signal:
            result = walkSignal(index, node, branch, mayBeCut)
        case .break:
            let value = breakValue(node)
            store(.value(value), node, &scope)
            return .broke(value)
        case .http, .httpMultipart:
            result = walkRequest(index, node, branch, scope, mayBeCut)
        }
        store(result, node, &scope)
        return result
    }

    private func store(_ result: Result, _ node: Node, _ scope: inout Scope) {
        guard case .value(let value) = result, let name = node.resultName else { return }
        scope.names[text(name)] = value
        scope.assigned.insert(text(name))
    }

    // MARK: Constructs

    private mutating func walkIf(
        _ node: Node,
        _ branch: BranchID,
        _ scope: inout Scope,
        _ mayBeCut: Bool
    ) -> Result {
        var holds = false
        if let condition = node.condition {
            let tested = walk(condition.rawValue, branch, &scope, mayBeCut: mayBeCut)
            guard case .value(let value) = tested else { return tested }
            holds = isTrue(value)
        } else {
            let name = text(node.query).components(between: "\"result_name\":\"", and: "\"")
            guard let value = scope.names[name] else {
                return .failed("df.if_rows: result '\(name)' not found")
            }
            guard value.hasPrefix("{\"rows\":[") else {
                return .failed(
                    "df.if_rows: result '\(name)' is not a SQL result (missing row_count)"
                )
            }
            holds = !value.hasPrefix("{\"rows\":[]")
        }
        return walk(child(holds ? node.left : node.right), branch, &scope, mayBeCut: mayBeCut)
    }

    private mutating func walkLoop(
        _ index: Int32,
        _ node: Node,
        _ branch: BranchID,
        _ scope: inout Scope,
        _ isBranchRoot: Bool,
        _ mayBeCut: Bool
    ) -> Result {
        while true {
            if isBranchRoot && branch == .root { scope.names = [:] }
            var outcome = walk(child(node.left), branch, &scope, mayBeCut: mayBeCut)
            var goesOn = true
            if case .value = outcome, let condition = node.condition {
                let tested = walk(condition.rawValue, branch, &scope, mayBeCut: mayBeCut)
                if case .value(let value) = tested {
                    goesOn = isTrue(value)
                } else {
                    outcome = tested
                }
            }
            switch outcome {
            case .cut: return .cut
            case .broke(let value): return .value(value)
            case .failed(let why):
                return .failed(isBranchRoot ? why : "Loop sub-orchestration failed: " + why)
            case .value: if !goesOn { return outcome }
            }
            if let ended = fires(index, branch, mayBeCut) { return ended }
        }
    }

    private mutating func walkJoin(
        _ index: Int32,
        _ node: Node,
        _ branch: BranchID,
        _ scope: inout Scope,
        _ mayBeCut: Bool
    ) -> Result {
        guard case .forked(let first, _)? = next(branch, index, mayBeCut)?.event else {
            return .cut
        }
        let arms = ([node.left, node.right] + node.extras).map(child)
        var ends: [(result: Result, scope: Scope)] = []
        for (i, arm) in arms.enumerated() {
            var own = Scope(names: scope.names)
            let id = BranchID(rawValue: first.rawValue + Int32(i))
            let result = walk(arm, id, &own, isBranchRoot: true, mayBeCut: mayBeCut)
            ends.append((result, own))
        }
        if ends.contains(where: { $0.result == .cut }) { return .cut }
        var values: [String] = []
        for (i, end) in ends.enumerated() {
            if case .failed(let why) = end.result {
                return .failed("JOIN branch \(i + 1) failed: " + why)
            }
            merge(end.scope, into: &scope)
            if case .broke = end.result { return end.result }
            if case .value(let value) = end.result { values.append(withoutBlanks(value)) }
        }
        return .value("[" + values.joined(separator: ",") + "]")
    }

    /// JSON without the blanks between its tokens: every second piece between unescaped quotes is a string.
    private func withoutBlanks(_ json: String) -> String {
        var out = String.UnicodeScalarView()
        var quotes = 0
        var backslashes = 0
        for scalar in json.unicodeScalars {
            if scalar == "\"", backslashes.isMultiple(of: 2) { quotes += 1 }
            backslashes = scalar == "\\" ? backslashes + 1 : 0
            if !quotes.isMultiple(of: 2) || scalar.value > 0x20 { out.append(scalar) }
        }
        return String(out)
    }

    private mutating func walkRace(
        _ index: Int32,
        _ node: Node,
        _ branch: BranchID,
        _ scope: inout Scope,
        _ mayBeCut: Bool
    ) -> Result {
        guard case .forked(let first, _)? = next(branch, index, mayBeCut)?.event else {
            return .cut
        }
        let arms = [child(node.left), child(node.right)]
        var winner: Int?
        if case .raceDecided(let arm)? = next(branch, index, mayBeCut)?.event { winner = Int(arm) }
        var result = Result.cut
        let before = scope.names
        for (i, arm) in arms.enumerated() {
            var own = Scope(names: before)
            let id = BranchID(rawValue: first.rawValue + Int32(i))
            let end = walk(arm, id, &own, isBranchRoot: true, mayBeCut: mayBeCut || i != winner)
            guard i == winner else { continue }
            result = end
            merge(own, into: &scope)
        }
        if case .failed(let why) = result {
            return .failed(
                (winner == 0 ? "RACE left branch failed: " : "RACE right branch failed: ") + why
            )
        }
        return result
    }

    private func merge(_ other: Scope, into scope: inout Scope) {
        for name in other.assigned {
            scope.names[name] = other.names[name]
            scope.assigned.insert(name)
        }
    }

    // MARK: Leaves

    private mutating func walkStep(
        _ index: Int32,
        _ node: Node,
        _ branch: BranchID,
        _ scope: Scope,
        _ mayBeCut: Bool
    ) -> Result {
        var entry = next(branch, index, mayBeCut)
        while case .attemptStarted? = entry?.event { entry = next(branch, index, mayBeCut) }
        guard entry != nil else { return .cut }
        let words = text(node.query).split(separator: " ").map { word in
            if word == "$h.status" { return ReferenceInterpreter.status(scope) ?? String(word) }
            if word.hasPrefix("$"), let value = scope.names[String(word.dropFirst())] {
                return value.components(between: "\"v\":", and: "}")
            }
            if word.hasPrefix("{"), let value = variables[String(word.dropFirst().dropLast())] {
                return value
            }
            return String(word)
        }
        let statement = words.joined(separator: " ")
        let prefix = "SQL execution failed: error returned from database: "
        switch StepScript.run(statement, before: executions[index, default: 0]) {
        case .fails(let why), .failsAtCommit(let why):
            return .failed(prefix + why)
        case .rows(let json):
            effects[statement, default: 0] += 1
            executions[index, default: 0] += 1
            return .value(json)
        }
    }

    private mutating func walkSignal(
        _ index: Int32,
        _ node: Node,
        _ branch: BranchID,
        _ mayBeCut: Bool
    ) -> Result {
        let name = text(node.query).components(between: "\"signal_name\":\"", and: "\"")
        var entry = next(branch, index, mayBeCut)
        if case .timerSet? = entry?.event { entry = next(branch, index, mayBeCut) }
        switch entry?.event {
        case .signalReceived(let data):
            return .value(
                "{\"signal_name\":\"\(name)\",\"timed_out\":false,\"data\":\(text(data))}"
            )
        case .timerFired:
            return .value("{\"signal_name\":\"\(name)\",\"timed_out\":true,\"data\":null}")
        default:
            return .cut
        }
    }

    private func breakValue(_ node: Node) -> String {
        let query = text(node.query)
        if query.hasSuffix(":null}") { return "null" }
        let value = query.components(between: "\"break_value\":\"", and: "\"")
        return Double(value) != nil ? value : "\"\(value)\""
    }

    /// Takes a timer's entries; what ends the walk when it has not fired.
    private mutating func fires(_ index: Int32, _ branch: BranchID, _ mayBeCut: Bool) -> Result? {
        var entry = next(branch, index, mayBeCut)
        if case .timerSet? = entry?.event { entry = next(branch, index, mayBeCut) }
        switch entry?.event {
        case .timerFired, .iterated: return nil
        default: return .cut
        }
    }

    // MARK: Small things

    /// The event that comes next in the branch, if it is of this node.
    func peek(_ branch: BranchID, _ node: Int32) -> Event? {
        let place = cursor[branch, default: 0]
        guard let entries = journal[branch], place < entries.count, entries[place].node.rawValue == node
        else { return nil }
        return entries[place].event
    }

    mutating func next(_ branch: BranchID, _ node: Int32, _ mayBeCut: Bool) -> JournalEntry? {
        let place = cursor[branch, default: 0]
        guard let entries = journal[branch], place < entries.count else {
            if !mayBeCut {
                mismatch = mismatch ?? "branch \(branch.rawValue) has no entry for node \(node)"
            }
            return nil
        }
        if entries[place].node.rawValue != node {
            mismatch =
                mismatch
                ?? "branch \(branch.rawValue) is at node \(entries[place].node.rawValue), not \(node)"
            return nil
        }
        cursor[branch] = place + 1
        return entries[place]
    }

    /// Results of `every` steps and such: false for a false first column, for no rows, for null and the number 0.
    private func isTrue(_ value: String) -> Bool {
        if value.hasPrefix("{\"rows\":[") {
            let column = value.components(between: "\"v\":", and: "}")
            return column != "" && column != "false" && column != "0"
        }
        return value != "null" && value != "0"
    }

    private func child(_ index: NodeIndex?) -> Int32 { index?.rawValue ?? 0 }

    func text(_ bytes: Bytes?) -> String { String(decoding: bytes ?? [], as: UTF8.self) }
}

extension String {
    /// What stands between the first `start` and the next `end`; empty when there is no such place.
    func components(between start: String, and end: Character) -> String {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(start) {
                return String(rest.dropFirst(start.count).prefix { $0 != end })
            }
            rest = rest.dropFirst()
        }
        return ""
    }
}
