// SPDX-License-Identifier: PostgreSQL

extension StaticString {
    /// The literal as C sees it; lives as long as the program.
    public var cString: UnsafePointer<CChar> {
        // SAFETY: a literal with a pointer representation ends in NUL; none here is a single scalar.
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
