// SPDX-License-Identifier: PostgreSQL

import Foundation

/// A text file of the checkout.
struct SourceFile: Sendable {
    /// Relative to the checkout.
    let path: String
    let lines: [String]

    var text: String { lines.joined(separator: "\n") }

    /// What follows the path's last dot.
    var kind: String { path.split(separator: ".").last.map(String.init) ?? "" }

    /// The lines without comments and string literals, good enough for Swift and C: a word in them is code.
    var codeLines: [String] {
        lines.map { line in
            var code = ""
            var inString = false
            var previous: Character = " "
            for character in line {
                if character == "\"", previous != "\\" { inString.toggle() }
                if !inString {
                    if character == "/", previous == "/" {
                        code.removeLast()
                        break
                    }
                    code.append(character)
                }
                previous = character
            }
            let trimmed = code.trimmingCharacters(in: .whitespaces)
            return trimmed.hasPrefix("*") || trimmed.hasPrefix("/*") ? "" : code
        }
    }
}

/// The files of the checkout that people write.
enum Checkout {
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every text file, except what is built, downloaded or kept by tools.
    static let files: [SourceFile] = {
        let kinds: Set = [
            "swift", "c", "h", "py", "sql", "md", "sh", "map", "control", "modulemap", "list", "yml",
        ]
        let skipped: Set = [
            ".build", ".git", "build", ".pgdev", "corpus", "results", ".swiftpm", "__pycache__",
        ]
        guard
            let walk = FileManager.default.enumerator(
                at: root,
                includingPropertiesForKeys: [.isDirectoryKey]
            )
        else { return [] }
        var found: [SourceFile] = []
        for case let url as URL in walk {
            if skipped.contains(url.lastPathComponent) {
                walk.skipDescendants()
                continue
            }
            let path = String(url.path.dropFirst(root.path.count + 1))
            let isScript = path.hasPrefix("scripts/") || path == "Makefile" || path.hasSuffix("/run")
            guard kinds.contains(url.pathExtension) || isScript else { continue }
            guard let text = try? String(contentsOf: url, encoding: .utf8) else { continue }
            var lines = text.components(separatedBy: "\n")
            if lines.last == "" { lines.removeLast() }
            found.append(SourceFile(path: path, lines: lines))
        }
        return found.sorted { $0.path < $1.path }
    }()

    static func files(under directory: String, kinds: Set<String> = ["swift", "c", "h"]) -> [SourceFile] {
        files.filter { $0.path.hasPrefix(directory + "/") && kinds.contains($0.kind) }
    }

    /// `path:line: text` for every code line that matches `pattern`.
    static func matches(_ pattern: String, in files: [SourceFile], comments: Bool = false) throws -> [String]
    {
        let regex = try NSRegularExpression(pattern: pattern)
        var found: [String] = []
        for file in files {
            for (index, line) in (comments ? file.lines : file.codeLines).enumerated() {
                let range = NSRange(line.startIndex..., in: line)
                if regex.firstMatch(in: line, range: range) != nil {
                    found.append("\(file.path):\(index + 1): \(file.lines[index])")
                }
            }
        }
        return found
    }
}

extension Array where Element == String {
    /// The offending lines, one below the other, for a failure's comment.
    var listed: String { "\n" + prefix(20).joined(separator: "\n") }
}
