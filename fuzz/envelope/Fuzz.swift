// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

// Whatever the bytes are, parsing ends with a graph or an error; a graph printed and parsed again is the same
// graph, and everything else that takes a graph or an operand ends too.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = Bytes(UnsafeBufferPointer(start: start, count: count))
    checkJSON(text)
    if let graph = try? Envelope.graph(text) { check(graph) }
    if let graph = try? Envelope.start(text) { check(graph) }
    if let composed = try? Compose.seq(text, Bytes("SELECT 1".utf8)) {
        guard let again = try? Envelope.classify(composed), again.node.print() == composed else {
            fatalError("a composed envelope is not read as it was written")
        }
    }
    _ = try? Compose.name(text, text)
    _ = try? Compose.parts(ofPartial: text)
    _ = Envelope.malformation(text)
    return 0
}

private func checkJSON(_ text: Bytes) {
    guard let document = try? JSONDocument(text) else { return }
    let compact = document.compacted()
    guard let again = try? JSONDocument(compact), again.compacted() == compact else {
        fatalError("compact JSON is not JSON, or not compact")
    }
    if let string = document.root.string {
        guard (try? JSONDocument(JSONText.quote(string)))?.root.string == string else {
            fatalError("a quoted string is another string")
        }
    }
    var count = 0
    for member in document.root.members {
        guard document.root[member.key] != nil else { fatalError("a member is not found") }
        count += 1
        if count == 20 { break }
    }
}

private func check(_ graph: Graph) {
    let printed = Envelope.print(graph)
    if graph.nodes.count == 1 || printed.count < 100_000 {
        guard let again = try? Envelope.graph(printed) else {
            fatalError("a printed graph does not parse")
        }
        guard again == graph else { fatalError("a printed graph parses to another graph") }
        guard Envelope.print(again) == printed else { fatalError("printing is no fixpoint") }
    }
    try? Envelope.checkStructure(graph)
    _ = Explain.render(graph: graph) { _ in .pending }
    let instance = InstanceID(rawValue: 1)
    for i in graph.nodes.indices.prefix(50) {
        _ = StoredNode(NodeIndex(rawValue: Int32(i)), of: graph) {
            NodeID.hex(instance: instance, node: $0)
        }
    }
}
