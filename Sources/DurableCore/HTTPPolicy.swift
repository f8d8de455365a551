// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension HTTPPolicy {
    /// Why nobody may ask at all.
    public static let disabled: StaticString = "Blocked: outbound HTTP requests are disabled"

    /// Why a host must not be asked, or nil.
    ///
    /// `host` is what the transport's own parser found; the transport goes where this name says.
    public func refusal(ofHost text: Bytes, port: Int32) -> Bytes? {
        let host = HTTPHost(text)
        let unlisted: ByteText = "Blocked: '\(quoting: text)' is not in the allowed endpoint list"
        // What cannot be compared may be what is denied.
        if host.isForeign, !deniedHosts.isEmpty { return unlisted.bytes }
        if deniedHosts.contains(where: { host.matches($0, port: port) }) { return unlisted.bytes }
        if allowedHosts.isEmpty || allowedHosts.contains(where: { host.matches($0, port: port) }) {
            return nil
        }
        return host.isAddress
            ? Bytes("Blocked: requests to bare IP addresses are not permitted".utf8) : unlisted.bytes
    }
}
