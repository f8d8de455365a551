// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The mark that shows how far a node has come.
public enum ExplainGlyph: String, Hashable, Sendable {
    case completed = "✓"
    case failed = "✗"
    case running = "⏳"
    case pending = "○"
    case skipped = "⊘"
}

/// The text of `df.explain`.
///
/// Sequences are flattened: their items stand one below the other. Every line of the tree is padded with blanks
/// to the longest line and four more; texts and names are cut by characters, so that a
/// graph is never much larger than its nodes are deep.
public enum Explain {
    /// A text that padding would make larger than this is not padded.
    static let paddedMax = 16 << 20

    /// The tree of `graph`, with a mark for each node when `status` is given; no newline at the end.
    ///
    /// The report of a node that failed stands below it.
    public static func render(
        graph: Graph,
        status: ((NodeIndex) -> ExplainGlyph?)? = nil,
        failure: ((NodeIndex) -> StepFailure?)? = nil
    ) -> Bytes {
        var layout = ExplainLayout(graph: graph, status: status, failure: failure)
        layout.run()
        return padded(layout.out, reports: layout.reports)
    }

    /// The lines above the tree of an instance, with the blank line between.
    ///
    /// `status` is the word to show, in any letter case; it decides the icon too.
    public static func header(id: Bytes, label: Bytes?, status: Bytes, output: Bytes?) -> Bytes {
        var text: ByteText = "Instance: \(id)"
        if let label { text = "\(text.bytes) (\(label))" }
        text = "\(text.bytes)\nStatus:   \(icon(status)) \(status)"
        if let output {
            text = "\(text.bytes)\nOutput:   \(UTF8Bytes.cut(output, above: 60, keeping: 57))"
        }
        return text.bytes + Bytes("\n\n".utf8)
    }

    private static func icon(_ status: Bytes) -> String {
        let word = status.map {
            $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 | 0x20 : $0
        }
        let glyphs: [(String, ExplainGlyph)] = [
            ("completed", .completed), ("continuedasnew", .completed), ("failed", .failed),
            ("canceled", .failed), ("cancelled", .failed), ("running", .running),
        ]
        let found = glyphs.first { Bytes($0.0.utf8) == word }
        return (found?.1 ?? .pending).rawValue
    }

    /// `reports` says where the lines begin that do not widen the others.
    private static func padded(_ text: Bytes, reports: Set<Int>) -> Bytes {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let widths = lines.map { UTF8Bytes.characterCount($0) }
        let widest = zip(lines, widths).lazy.filter { !reports.contains($0.0.startIndex) }.map(\.1).max()
        let width = (widest ?? 0) + 4
        guard lines.count &* width <= paddedMax else { return text }
        var out = Bytes()
        out.reserveCapacity(text.count + lines.count * 16)
        for (i, line) in lines.enumerated() {
            if i > 0 { out.append(UInt8(ascii: "\n")) }
            out.append(contentsOf: line)
            out.append(
                contentsOf: repeatElement(UInt8(ascii: " "), count: max(width - widths[i], 0))
            )
        }
        return out
    }
}

/// Prints a graph line by line, with a stack of its own for what is still to be printed.
struct ExplainLayout {
    private enum Item {
        /// A line that announces a child.
        case label(prefix: Bytes, text: String)
        case node(NodeIndex, prefix: Bytes, connector: String)
    }

    let graph: Graph
    let status: ((NodeIndex) -> ExplainGlyph?)?
    let failure: ((NodeIndex) -> StepFailure?)?
    private(set) var out = Bytes()
    /// Where the lines begin that tell of a failure.
    private(set) var reports: Set<Int> = []
    private var stack: [Item] = [.node(.root, prefix: [], connector: "")]
    private var visitsLeft: Int

    init(
        graph: Graph,
        status: ((NodeIndex) -> ExplainGlyph?)?,
        failure: ((NodeIndex) -> StepFailure?)?
    ) {
        self.graph = graph
        self.status = status
        self.failure = failure
        // A tree has each node once; anything else did not come from `Envelope` and must end too.
        visitsLeft = graph.nodes.count
    }

    mutating func run() {
        while let item = stack.popLast() {
            switch item {
            case .label(let prefix, let text):
                line(prefix, text, [])
            case .node(let index, let prefix, let connector):
                guard visitsLeft > 0, let node = graph.node(index) else { continue }
                visitsLeft -= 1
                if node.kind == .then && (node.left != nil || node.right != nil) {
                    flatten(node, prefix, connector)
                } else {
                    show(node, index, prefix, connector)
                }
            }
        }
    }

    // The first item of a sequence takes the connector, the others an arrow. An inner sequence on the right
    // goes on with arrows by itself, one on the left hands its connector down.
    private mutating func flatten(_ node: Node, _ prefix: Bytes, _ connector: String) {
        let items = [node.left, node.right].compactMap { $0 }
        for (i, item) in items.enumerated().reversed() {
            stack.append(.node(item, prefix: prefix, connector: i == 0 ? connector : "→ "))
        }
    }

    private mutating func show(
        _ node: Node,
        _ index: NodeIndex,
        _ prefix: Bytes,
        _ connector: String
    ) {
        var text = ExplainText.describe(node)
        if let name = node.resultName, node.kind != .then, node.kind != .race {
            text = ByteText("\(text) |=> '\(ExplainText.short(name))'").bytes
        }
        if let glyph = status?(index) { text = ByteText("\(text) \(glyph.rawValue)").bytes }
        line(prefix, connector, text)
        let labels = prefix + Bytes((connector == "├─" ? "│   " : "    ").utf8)
        if let failure = failure?(index) {
            for text in ExplainText.describe(failure) {
                reports.insert(out.count + 1)
                line(labels, "", text)
            }
        }
        let children = children(of: node)
        let isParallel = node.kind == .join || node.kind == .race
        for (i, child) in children.enumerated().reversed() {
            let isLast = !isParallel || i == children.count - 1
            stack.append(
                .node(
                    child.index,
                    prefix: labels + Bytes("  ".utf8),
                    connector: isLast ? "└─" : "├─"
                )
            )
            stack.append(.label(prefix: labels, text: child.label))
        }
    }

    private func children(of node: Node) -> [(label: String, index: NodeIndex)] {
        let labelled: [(String, NodeIndex?)] =
            switch node.kind {
            case .loop: [("↻ body:", node.left), ("? while:", node.condition)]
            case .if:
                [("? condition:", node.condition), ("✓ then:", node.left), ("✗ else:", node.right)]
            case .join, .race:
                ([node.left, node.right].compactMap { $0 } + node.extras).enumerated()
                    .map { ("║ branch \($0.offset + 1):", $0.element) }
            default: []
            }
        return labelled.compactMap { label, index in index.map { (label, $0) } }
    }

    private mutating func line(_ prefix: Bytes, _ lead: String, _ text: Bytes) {
        if !out.isEmpty { out.append(UInt8(ascii: "\n")) }
        out.append(contentsOf: prefix)
        out.append(contentsOf: lead.utf8)
        out.append(contentsOf: text)
    }
}
