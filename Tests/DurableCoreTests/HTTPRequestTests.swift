// SPDX-License-Identifier: PostgreSQL

import DurableModel
import DurableTestKit
import Testing

@testable import DurableCore

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func string(_ bytes: Bytes?) -> String { String(decoding: bytes ?? [], as: UTF8.self) }

@Suite struct HTTPRequestTests {
    /// The request of a node that is the whole function; a failure when there is none.
    private func request(
        _ query: String,
        kind: NodeKind = .http,
        variables: [String: String] = [:],
        sizeMax: Int64 = 16 << 20
    ) throws(SubstitutionFailure) -> HTTPRequest {
        let graph = Graph(nodes: [Node(kind: kind, query: bytes(query))])
        let machine = Desk(graph, variables: variables).machine
        var limits = HTTPLimits()
        limits.requestSizeMax = sizeMax
        guard let found = machine.httpRequest(.root, limits) else {
            throw SubstitutionFailure(.invalidParameter("no step"))
        }
        return try found.request.get()
    }

    private func refusal(_ query: String, kind: NodeKind = .http) -> String {
        do throws(SubstitutionFailure) {
            return string(try request(query, kind: kind).refusal?.message)
        } catch {
            return string(error.failure.message)
        }
    }

    /// Fields that frame or route a message are refused, however they are spelled; all others are the caller's.
    @Test func headers() throws {
        func refusal(_ name: String, _ value: String = "1", url: String = "http://peer:80/x") -> String {
            let field = string(JSONText.quote(bytes(name)) + bytes(":") + JSONText.quote(bytes(value)))
            return self.refusal("{\"url\":\"\(url)\",\"method\":\"GET\",\"headers\":{\(field)}}")
        }
        for name in [
            "Content-Length", "content-length", "Content-Length: 5", "CONTENT-LENGTH ", "Transfer-Encoding",
            "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect", "Proxy-Authorization",
            "proxy-connection", "HTTP2-Settings",
        ] {
            #expect(refusal(name) == "Invalid HTTP request: header \"\(name)\" cannot be set by a step")
        }
        for name in ["", "X A", "X:A", "X-A\r\nX-B", "\u{E9}", "X(A)", "X\u{0}"] {
            #expect(refusal(name) == "Invalid HTTP request: \"\(name)\" is not the name of a header")
        }
        for value in ["1\r\nX-B: 2", "a\nb", "a\rb", "\u{7F}", "\u{0}"] {
            let text = refusal("X-A", value)
            #expect(text == "Invalid HTTP request: the value of header \"X-A\" holds a control character")
            #expect(!text.contains("X-B"), "a value may be a secret")
        }
        for (name, value) in [
            ("X-A", "tab\tand \u{E9}"), ("Content-Type", "a/b"), ("Ten", ""), ("Proxy", "x"),
        ] {
            #expect(refusal(name, value).isEmpty, "\(name)")
        }
        let differs = "Invalid HTTP request: header \"Host\" differs from the host of the URL"
        for (value, url, fits) in [
            ("peer", "http://peer:80/x", true), ("PEER:80", "http://peer/x", true),
            ("peer:443", "https://peer", true), ("other", "http://peer/", false),
            ("peer:81", "http://peer/", false), ("peer", "http://peer:81/", false),
            ("peer,other", "http://peer/", false), ("", "http://peer/", false),
            ("[::1]", "http://[::1]/", true), ("u@peer", "http://u@peer/", false),
        ] {
            #expect(refusal("hOST", value, url: url) == (fits ? "" : differs), "\(value) \(url)")
        }
    }

    /// What is refused of several faults: scheme, host and list before headers and parts.
    @Test func order() throws {
        let rest = #""method":"POST","headers":{"TE":"x"},"parts":[{"name":"a","data_b64":"!"}]"#
        func multipart(_ url: String) -> String {
            refusal("{\"url\":\"\(url)\",\(rest)}", kind: .httpMultipart)
        }
        #expect(
            multipart("gopher://x")
                == "Blocked: unsupported URL scheme 'gopher'. Only http and https are allowed."
        )
        for url in ["http://", "http:///p", "https://?q", "http://#f", #"http://\\x"#] {
            #expect(multipart(url) == "Blocked: unable to extract hostname", "\(url)")
        }
        #expect(multipart("http://x") == "Invalid base64 in part 'a': Invalid symbol 33, offset 0.")
        var listed = try request("{\"url\":\"http://127.0.0.1/\",\(rest)}", kind: .httpMultipart)
        listed.policy.allowedHosts = [bytes("peer")]
        #expect(string(listed.refusal?.message) == "Blocked: requests to bare IP addresses are not permitted")
        // What parsers may read differently is left to the one that decides where the request goes.
        for url in [
            #"http://127.0.0.1\@peer/"#, "http://peer@127.0.0.1/", "http://127.0.0.1:x/", "http://%31/",
        ] {
            let escaped = string(JSONText.quote(bytes(url)))
            var request = try request("{\"url\":\(escaped),\"method\":\"GET\"}")
            request.policy.allowedHosts = [bytes("peer")]
            #expect(request.refusal == nil || url.contains("\\"), "\(url)")
        }
    }

    /// Parts in their order, names of special characters percent-encoded, a type only where one is given.
    @Test func multipart() throws {
        let parts = #"""
            [{"name":"a","data_b64":"aGk="},
             {"name":"\u00fc \"x\"","data_b64":"AAEC","filename":"q\"\\\r\n\u00fc.txt","content_type":"text/plain"}]
            """#
        let query =
            #"{"url":"http://x","method":"PUT","headers":{"content-TYPE":"no","X":"y"},"parts":"# + parts
            + "}"
        let request = try request(query, kind: .httpMultipart)
        #expect(request == (try self.request(query, kind: .httpMultipart)), "every attempt sends the same")
        let boundary = "pg_durable-0000abcd-1-0-0-0000000"
        #expect(request.headers.map { string($0.name) } == ["X", "Content-Type", "Idempotency-Key"])
        #expect(string(request.headers[1].value) == "multipart/form-data; boundary=\(boundary)")
        let expected = [
            "--\(boundary)", "Content-Disposition: form-data; name=\"a\"", "", "hi", "--\(boundary)",
            #"Content-Disposition: form-data; name*=utf-8''%C3%BC%20%22x%22; filename="q\"\\%0D%0Aü.txt""#,
            "Content-Type: text/plain", "", "\u{0}\u{1}\u{2}", "--\(boundary)--", "",
        ].joined(separator: "\r\n")
        #expect(string(request.body) == expected)
        #expect(request.isMultipart && request.refusal == nil)
    }

    /// A part that holds the boundary gets another one.
    @Test func boundaries() {
        let stem = bytes("pg_durable-k-")
        let taken = (0..<3).reduce(Bytes()) { $0 + stem + bytes("00000\($1)") }
        for (data, ending) in [
            ([], "000000"), (taken, "000003"), (stem + bytes("000001"), "000000"),
            (stem + bytes("00000"), "000000"),
            (bytes("pg_durable-") + stem + bytes("000000"), "000001"),
        ] {
            let body = MultipartBody([.init(name: [], data: data)], key: bytes("k-"))
            #expect(body.boundary == stem + bytes(ending), "\(string(data))")
        }
        let long = MultipartBody([], key: Bytes(repeating: UInt8(ascii: ":"), count: 500))
        #expect(long.boundary.count <= 70 && !long.boundary.contains(UInt8(ascii: ":")))
    }

    /// Fields of the wrong kind, and what is no media type.
    @Test func parts() {
        func refusal(_ part: String) -> String {
            self.refusal(
                "{\"url\":\"http://x\",\"method\":\"POST\",\"parts\":[\(part)]}",
                kind: .httpMultipart
            )
        }
        for (part, text) in [
            ("{}", "missing field `name`"), ("5", "a part must be an object"),
            ("[]", "a part must be an object"),
            (#"{"name":5,"data_b64":""}"#, "field `name` must be a string"),
            (#"{"name":"a"}"#, "missing field `data_b64`"),
            (#"{"name":"a","data_b64":null}"#, "missing field `data_b64`"),
            (#"{"name":"a","data_b64":{}}"#, "field `data_b64` must be a string"),
            (#"{"name":"a","data_b64":"","filename":1}"#, "field `filename` must be a string"),
            (#"{"name":"a","data_b64":"","content_type":[]}"#, "field `content_type` must be a string"),
        ] {
            #expect(refusal(part) == "Invalid multipart HTTP config: \(text)", "\(part)")
        }
        for type in ["text", "/", "a/", "a b/c", "a/b\\r\\nX: y", "a/b/c", "", "\u{E9}/a"] {
            let text = refusal(#"{"name":"a","data_b64":"","content_type":"\#(type)"}"#)
            #expect(text == "Invalid content_type for part 'a': builder error", "\(type)")
        }
        for type in ["text/plain", "a/b+c; charset=utf-8", "a/b;c"] {
            #expect(
                refusal(#"{"name":"a","data_b64":"","filename":null,"content_type":"\#(type)"}"#).isEmpty,
                "\(type)"
            )
        }
    }

    /// URL, headers, body and parts together have one limit, which is named.
    @Test func sizes() throws {
        let variables = ["v": String(repeating: "A", count: 400)]
        let plain = #"{"url":"http://x/{v}","method":"POST","body":"{v}","headers":{"X":"{v}"}}"#
        let list = #"[{"name":"a","data_b64":"{v}"},{"name":"{v}","data_b64":"{v}"}]"#
        let parts = #"{"url":"http://x","method":"POST","parts":"# + list + "}"
        for (query, kind) in [(plain, NodeKind.http), (parts, .httpMultipart)] {
            #expect(try request(query, kind: kind, variables: variables, sizeMax: 2000).refusal == nil)
            do throws(SubstitutionFailure) {
                _ = try request(query, kind: kind, variables: variables, sizeMax: 800)
                #expect(Bool(false), "\(query)")
            } catch {
                #expect(
                    string(error.failure.message)
                        == "HTTP request exceeds \"pg_durable.http_max_request_size\""
                )
                #expect(
                    string(error.failure.hint) == "It may have 800 bytes, URL, headers and body together."
                )
            }
        }
    }
}
