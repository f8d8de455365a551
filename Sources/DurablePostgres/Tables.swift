// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel

/// The engine's tables as sql/20_tables.sql makes them; both lists change together.
enum Tables {
    static let catalog = TableShape("catalog", [PGS_INT4])
    static let home = TableShape("home", [PGS_INT8, PGS_OID, PGS_INT8])
    static let graphs = TableShape("graphs", [PGS_INT8, PGS_OID, PGS_INT2, PGS_BYTEA, PGS_TEXT])
    static let retired = TableShape("retired", [PGS_INT8])
    static let instances = TableShape(
        "instances",
        [
            PGS_INT8, PGS_INT8, PGS_INT8, PGS_TIMESTAMPTZ, PGS_OID, PGS_OID, PGS_INT2, PGS_TEXT,
            PGS_TEXT,
            PGS_TEXT, PGS_TEXT, PGS_TEXT, PGS_TEXT,
        ]
    )
    static let journal = TableShape(
        "journal",
        [PGS_INT8, PGS_TIMESTAMPTZ, PGS_INT4, PGS_INT8, PGS_INT4, PGS_INT2, PGS_INT8, PGS_TEXT]
    )
    static let ended = TableShape(
        "ended",
        [PGS_INT8, PGS_TIMESTAMPTZ, PGS_INT2, PGS_TEXT, PGS_TEXT]
    )
    static let active = TableShape("active", [PGS_OID, PGS_INT8, PGS_INT4])
    static let counted = TableShape("counted", [PGS_OID, PGS_INT8])
    static let timers = TableShape("timers", [PGS_INT8, PGS_INT4, PGS_OID, PGS_TIMESTAMPTZ])
    static let signals = TableShape(
        "signals",
        [PGS_INT8, PGS_INT8, PGS_TIMESTAMPTZ, PGS_TEXT, PGS_TEXT]
    )
    static let requests = TableShape(
        "requests",
        [PGS_INT8, PGS_INT8, PGS_TIMESTAMPTZ, PGS_OID, PGS_INT2, PGS_TEXT]
    )
    static let httpRules = TableShape(
        "http_rules",
        [PGS_INT8, PGS_OID, PGS_INT2, PGS_TEXT, PGS_TEXT]
    )
    static let variables = TableShape(
        "variables",
        [PGS_OID, PGS_INT8, PGS_INT8, PGS_TEXT, PGS_TEXT, PGS_TEXT]
    )

    /// The version of all of the above; a library runs nothing on a catalog of another version.
    static let version: Int32 = 1
}

/// The formats this library writes; it reads these and all that were ever released.
enum StoredFormat {
    /// Envelope text in `graphs.envelope`.
    static let graph: Int16 = 1
    /// Journal coding and options of an instance, in `instances.format`.
    static let instance: Int16 = 1
}
