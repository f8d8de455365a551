// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Which nodes of a graph return something that anything else ever looks at.
///
/// The value of all but the last item of a sequence is gone at once unless it has a name; so is that of the body of a
/// loop that only a break ends. Whoever rebuilds a machine need not read such values at all.
public struct NeededValues: Sendable {
    private let isNeeded: [Bool]

    public init(_ graph: Graph) {
        var isNeeded = graph.nodes.map { $0.resultName != nil }
        if !isNeeded.isEmpty { isNeeded[0] = true }
        func note(_ child: NodeIndex?, _ flag: Bool) {
            guard flag, let child, isNeeded.indices.contains(Int(child.rawValue)) else { return }
            isNeeded[Int(child.rawValue)] = true
        }
        // Parents come before their children.
        for (i, node) in graph.nodes.enumerated() {
            let own = isNeeded[i]
            switch node.kind {
            case .then:
                note(node.right, own)
            case .if:
                note(node.condition, true)
                note(node.left, own)
                note(node.right, own)
            case .loop:
                note(node.condition, true)
                note(node.left, own && node.condition != nil)
            case .join, .race:
                for child in [node.left, node.right] + node.extras { note(child, own) }
            case .sql, .break, .sleep, .waitSchedule, .http, .httpMultipart, .signal:
                break
            }
        }
        self.isNeeded = isNeeded
    }

    /// Whether the value that the node returns is looked at; true for a node that there is not.
    public func contains(_ node: NodeIndex) -> Bool {
        let i = Int(node.rawValue)
        return isNeeded.indices.contains(i) ? isNeeded[i] : true
    }
}
