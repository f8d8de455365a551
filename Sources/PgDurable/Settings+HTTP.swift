// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

/// The settings of HTTP steps.
enum HTTPSettings {
    static let enabled = Setting(
        SettingInfo("pg_durable.http_enabled", .sighup, "Lets steps make HTTP requests."),
        initial: true
    )
    static let allowedHosts = Setting(
        SettingInfo(
            "pg_durable.http_allowed_hosts",
            .superuser,
            "Hosts that HTTP steps may ask, separated by commas; empty for every public one."
        ),
        initial: ""
    )
    static let allowPrivateNetworks = Setting(
        SettingInfo(
            "pg_durable.http_allow_private_networks",
            .superuser,
            "Lets HTTP steps connect to addresses that are not public: loopback, private networks and the like."
        ),
        initial: false
    )
    static let maxResponseSize = Setting(
        SettingInfo(
            "pg_durable.http_max_response_size",
            .superuser,
            "Largest body of a response.",
            unit: .kilobytes
        ),
        initial: 16_384,
        in: 1...262_143
    )
    static let maxRequestSize = Setting(
        SettingInfo(
            "pg_durable.http_max_request_size",
            .superuser,
            "Largest request, its body included.",
            unit: .kilobytes
        ),
        initial: 16_384,
        in: 1...262_143
    )
    static let maxTimeout = Setting(
        SettingInfo(
            "pg_durable.http_max_timeout",
            .superuser,
            "Longest time for a request, whatever the step says.",
            unit: .seconds
        ),
        initial: 600,
        in: 1...86_400
    )
    static let maxInFlight = Setting(
        SettingInfo(
            "pg_durable.http_max_in_flight",
            .postmaster,
            "Most HTTP requests at a time; others wait."
        ),
        initial: 2000,
        in: 1...20_000
    )
    static let maxInFlightPerRole = Setting(
        SettingInfo(
            "pg_durable.http_max_in_flight_per_role",
            .sighup,
            "Most HTTP requests of one role at a time; 0 for no limit of its own."
        ),
        initial: 1000,
        in: 0...20_000
    )
    static let maxInFlightPerHost = Setting(
        SettingInfo(
            "pg_durable.http_max_in_flight_per_host",
            .sighup,
            "Most HTTP requests to one host at a time; 0 for no limit of its own."
        ),
        initial: 1000,
        in: 0...20_000
    )
    static let maxMemory = Setting(
        SettingInfo(
            "pg_durable.http_max_memory",
            .postmaster,
            "Shared memory for requests and answers on their way, half for each.",
            unit: .megabytes
        ),
        initial: 64,
        in: 1...65_536
    )
    static let maxWorkerMemory = Setting(
        SettingInfo(
            "pg_durable.http_max_worker_memory",
            .sighup,
            "Most memory of the HTTP worker for bodies on their way.",
            unit: .megabytes
        ),
        initial: 256,
        in: 1...65_536
    )
    static let dnsServers = Setting(
        SettingInfo(
            "pg_durable.http_dns_servers",
            .sighup,
            "Name servers for HTTP requests, separated by commas; empty for the system's."
        ),
        initial: ""
    )
    static let caFile = Setting(
        SettingInfo(
            "pg_durable.http_ca_file",
            .sighup,
            "File of certificates to trust instead of the system's."
        ),
        initial: ""
    )
    static let proxy = Setting(
        SettingInfo(
            "pg_durable.http_proxy",
            .sighup,
            "Proxy for all HTTP requests; empty for none, whatever the environment says.",
            flags: .superuserOnly
        ),
        initial: ""
    )

    static func define() throws(PostgresError) {
        try enabled.define()
        try allowPrivateNetworks.define()
        for setting in [allowedHosts, caFile, proxy, dnsServers] { try setting.define() }
        for setting in [
            maxResponseSize, maxRequestSize, maxTimeout, maxInFlight, maxInFlightPerRole,
            maxInFlightPerHost, maxMemory, maxWorkerMemory,
        ] {
            try setting.define()
        }
    }

    /// What an executor's requests may do; read between turns.
    static func requests() -> RequestSettings {
        var settings = RequestSettings()
        settings.isEnabled = enabled.value
        settings.allowsPrivateNetworks = allowPrivateNetworks.value
        // Items are not refused when the list is set: at the server's start a refused list would be the default, which
        // allows every host. One that is no pattern stops the requests instead.
        let listed = allowedHosts.value.filter { $0 > 0x20 }
        if !listed.isEmpty {
            settings.allowedHosts = listed.split(
                separator: UInt8(ascii: ","),
                omittingEmptySubsequences: false
            ).map { Bytes($0) }
        }
        settings.limits = limits()
        return settings
    }

    static func limits() -> HTTPLimits {
        var limits = HTTPLimits()
        limits.requestSizeMax = Int64(maxRequestSize.value) * 1024
        limits.responseSizeMax = Int64(maxResponseSize.value) * 1024
        limits.resultSizeMax = Limits.resultSize
        limits.timeoutMaxMilliseconds = Int64(maxTimeout.value) * 1000
        limits.memoryMax = memory / 2
        return limits
    }

    /// What the HTTP worker works by.
    static func worker() -> HTTPWorkerProcess.Settings {
        var settings = HTTPWorkerProcess.Settings()
        settings.isEnabled = enabled.value
        settings.userAgent = Bytes("pg_durable/\(Version.number)".utf8)
        settings.caFile = caFile.value
        settings.proxy = proxy.value
        settings.dnsServers = dnsServers.value
        settings.inFlightMax = Int32(clamping: maxInFlight.value)
        settings.perRoleMax = Int32(clamping: maxInFlightPerRole.value)
        settings.perHostMax = Int32(clamping: maxInFlightPerHost.value)
        settings.memory = Int64(maxWorkerMemory.value) * 1_048_576
        settings.sharedMemory = memory
        return settings
    }

    /// Bytes of shared memory, as they were when the server started.
    static var memory: Int64 { Int64(maxMemory.value) * 1_048_576 }
}
