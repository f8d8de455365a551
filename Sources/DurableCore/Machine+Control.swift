// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// The way of control through the graph.
///
/// Everything here is a consequence of facts already folded, and iterates: neither a deep graph nor
/// a long chain of arms that end together uses the stack.
extension Machine {
    /// Control of `branch` goes on with `flow`, and from there as far as the facts allow.
    mutating func run(_ branch: BranchID, _ flow: Flow, at: Timestamp) {
        var next: (branch: BranchID, flow: Flow, at: Timestamp)? = (branch, flow, at)
        while let (id, flow, at) = next {
            next = nil
            guard var branch = branches.removeValue(forKey: id) else { return }
            let old = Standing(branch)
            branch.attempts = 0
            branch.isUnanswered = false
            branch.arrived = branch.sequence
            branch.waiting = .entered
            if let end = follow(flow, in: &branch, id, at: at) {
                note(id, from: old, to: nil)
                next = endBranch(branch, end, at: at)
            } else {
                note(id, from: old, to: branch)
                branches[id] = branch
            }
        }
    }

    /// The branch waits for something else; control does not move.
    mutating func wait(_ id: BranchID, _ waiting: Waiting) {
        guard var branch = branches.removeValue(forKey: id) else { return }
        let old = Standing(branch)
        branch.waiting = waiting
        note(id, from: old, to: branch)
        branches[id] = branch
    }

    /// Follows control until the branch waits (nil) or ends (how).
    private mutating func follow(
        _ start: Flow,
        in branch: inout Branch,
        _ id: BranchID,
        at: Timestamp
    ) -> Flow? {
        var flow = start
        while true {
            let step: Flow?
            if case .enter(let node) = flow {
                step = enter(node, in: &branch, id, at: at)
            } else if let frame = branch.frames.last {
                step = pass(flow, through: frame, in: &branch, id, at: at)
            } else {
                return flow
            }
            guard let step else { return nil }
            flow = step
        }
    }

    // MARK: Down

    private mutating func enter(
        _ index: NodeIndex,
        in branch: inout Branch,
        _ id: BranchID,
        at: Timestamp
    ) -> Flow? {
        guard let node = record.graph.node(index) else { return .failed(.corruptGraph(index)) }
        switch node.kind {
        case .then: branch.frames.append(.thenLeft(index))
        case .if: branch.frames.append(node.condition == nil ? .ifArm(index) : .ifCondition(index))
        case .loop: branch.frames.append(.loop(index, Loop(began: at, in: branch)))
        case .join, .race, .break, .sql, .http, .httpMultipart, .sleep, .waitSchedule, .signal:
            break
        }
        if trace != nil { traceEntered(index, branch, id, at: at) }
        switch node.kind {
        case .then, .loop:
            return child(node.left, "left_node", of: index, node.kind)
        case .if:
            guard let condition = node.condition else { return enterRowsForm(node, index, branch, at: at) }
            return child(condition, "condition_node", of: index, node.kind)
        case .break:
            return enterBreak(node, index, in: &branch, at: at)
        case .join, .race, .sql, .http, .httpMultipart, .sleep, .waitSchedule, .signal:
            switch waiting(at: index, node, since: at) {
            case .valid(let waiting):
                branch.waiting = waiting
                return nil
            case .invalid(let failure):
                trace?.failed(index, failure.message, failure, at: at)
                return .failed(failure)
            }
        }
    }

    /// Goes into a child, which in a tree in pre-order comes after its parent.
    private func child(
        _ child: NodeIndex?,
        _ role: String,
        of parent: NodeIndex,
        _ kind: NodeKind
    ) -> Flow {
        guard let child else { return .failed(.missing(role, of: kind)) }
        return child > parent ? .enter(child) : .failed(.corruptGraph(child))
    }

    private mutating func enterRowsForm(
        _ node: Node,
        _ index: NodeIndex,
        _ branch: Branch,
        at: Timestamp
    ) -> Flow {
        switch RowsCondition.test(query: node.query, names: branch.names) {
        case .valid(let holds):
            holds
                ? child(node.left, "left_node", of: index, .if)
                : child(node.right, "right_node", of: index, .if)
        case .invalid(let failure): fails(index, failure, at: at)
        }
    }

    private mutating func enterBreak(
        _ node: Node,
        _ index: NodeIndex,
        in branch: inout Branch,
        at: Timestamp
    ) -> Flow {
        do throws(SubstitutionError) {
            var scope = scope(of: branch)
            scope.sizeMax = record.valueSizeMax
            let value = try BreakNode.value(query: node.query, scope: scope)
            complete(index, value, in: &branch, at: at)
            return .broke(value)
        } catch {
            let failure = error.failure
            trace?.failed(index, failure.message, failure, at: at)
            return .failed(failure)
        }
    }

    /// Whether a condition's value counts as true.
    private func condition(_ value: Bytes) -> Checked<Bool> {
        do throws(JSONError) {
            return .valid(try Truthiness.test(value))
        } catch {
            return .invalid(
                StepFailure(
                    sqlstate: Bytes("54000".utf8),
                    message: Bytes("value of a condition has \(error.message)".utf8),
                    hint: Bytes("Let the condition return one row with one column.".utf8)
                )
            )
        }
    }

    /// A construct fails by itself, not for a step below it.
    private mutating func fails(_ index: NodeIndex, _ failure: StepFailure, at: Timestamp) -> Flow {
        trace?.failed(index, failure.message, failure, at: at)
        return .failed(failure)
    }

    // MARK: Up

    /// What comes from below passes through the innermost frame.
    private mutating func pass(
        _ flow: Flow,
        through frame: Frame,
        in branch: inout Branch,
        _ id: BranchID,
        at: Timestamp
    ) -> Flow? {
        if case .loop(let index, let loop) = frame {
            return pass(flow, throughLoop: index, loop, in: &branch, at: at)
        }
        let index = frame.node
        switch flow {
        case .enter:
            return flow
        case .value(let value):
            guard let node = record.graph.node(index) else { return .failed(.corruptGraph(index)) }
            let top = branch.frames.count - 1
            switch frame {
            case .thenLeft:
                branch.frames[top] = .thenRight(index)
                return child(node.right, "right_node", of: index, .then)
            case .ifCondition:
                branch.frames[top] = .ifArm(index)
                switch condition(value) {
                case .valid(true): return child(node.left, "left_node", of: index, .if)
                case .valid(false): return child(node.right, "right_node", of: index, .if)
                case .invalid(let failure): return fails(index, failure, at: at)
                }
            case .thenRight, .ifArm, .loop:
                branch.frames.removeLast()
                complete(index, value, in: &branch, at: at)
                return flow
            }
        case .broke(let value):
            branch.frames.removeLast()
            trace?.completed(index, value, at: at)
            return flow
        case .failed(let text, _):
            branch.frames.removeLast()
            trace?.passed(index, text, at: at)
            return flow
        }
    }

    private mutating func pass(
        _ flow: Flow,
        throughLoop index: NodeIndex,
        _ loop: Loop,
        in branch: inout Branch,
        at: Timestamp
    ) -> Flow? {
        var loop = loop
        switch flow {
        case .enter:
            return flow
        case .value(let value):
            guard let node = record.graph.node(index) else { return .failed(.corruptGraph(index)) }
            if loop.phase == .condition {
                switch condition(value) {
                case .valid(true): break
                case .valid(false): return exitLoop(index, loop.value, &branch, at: at)
                case .invalid(let failure): return fails(index, failure, at: at)
                }
            }
            if loop.phase == .body { loop.value = value }
            let goesToCondition = loop.phase == .body && node.condition != nil
            loop.phase = goesToCondition ? .condition : .pause
            branch.frames[branch.frames.count - 1] = .loop(index, loop)
            if goesToCondition { return child(node.condition, "condition_node", of: index, .loop) }
            branch.waiting = .pause(index, due: nil)
            return nil
        case .broke(let value):
            return exitLoop(index, value, &branch, at: at)
        case .failed(let text, let failure):
            branch.frames.removeLast()
            // A loop that is a branch's own root has no orchestration of its own beside the branch.
            let prefixed = branch.frames.isEmpty ? text : FailurePrefix.loop + text
            trace?.passed(index, loop.iteration == 1 ? prefixed : text, at: at)
            return .failed(text: prefixed, failure)
        }
    }

    private mutating func exitLoop(
        _ index: NodeIndex,
        _ value: Bytes,
        _ branch: inout Branch,
        at: Timestamp
    ) -> Flow {
        branch.frames.removeLast()
        complete(index, value, in: &branch, at: at)
        return .value(value)
    }

    /// The pause between two iterations is over.
    mutating func resumeLoop(_ id: BranchID, at: Timestamp) {
        guard let branch = branches[id], case .loop(let index, var loop)? = branch.frames.last
        else { return }
        loop.iteration &+= 1
        loop.began = at
        loop.phase = .body
        loop.value = []
        let top = branch.frames.count - 1
        branches[id]?.frames[top] = .loop(index, loop)
        if id == .root && top == 0 {
            generation = loop.iteration
            branches[id]?.names = [:]
            branches[id]?.written = [:]
        }
        if trace != nil, let branch = branches[id] { traceEntered(index, branch, id, at: at) }
        run(id, child(record.graph.node(index)?.left, "left_node", of: index, .loop), at: at)
    }

    // MARK: Values

    /// A node has returned: its name holds the value.
    mutating func complete(
        _ index: NodeIndex,
        _ value: Bytes,
        in branch: inout Branch,
        at: Timestamp
    ) {
        if let name = record.graph.node(index)?.resultName { branch.store(value, as: name) }
        trace?.completed(index, value, at: at)
    }

    /// The node that `id` waits at has returned.
    mutating func leave(_ id: BranchID, _ index: NodeIndex, _ value: Bytes, at: Timestamp) {
        if let name = record.graph.node(index)?.resultName { branches[id]?.store(value, as: name) }
        trace?.completed(index, value, at: at)
        run(id, .value(value), at: at)
    }

    /// The node that `id` waits at has failed.
    mutating func fail(_ id: BranchID, _ index: NodeIndex, _ failure: StepFailure, at: Timestamp) {
        trace?.failed(index, failure.message, failure, at: at)
        run(id, .failed(failure), at: at)
    }
}
