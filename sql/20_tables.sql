-- The engine's tables. Rules of this file (docs/adr/0004-direct-heap-writes.md):
--   plain immediate btree indexes, no column of a user-defined type, no foreign keys, no trigger, no default that
--   calls a function; row security on and no policy, no grant; a primary key everywhere.
-- The library compares these columns with its own list and refuses to run on any difference.

-- The version of this catalog; every process compares it with the library's.
CREATE TABLE df_internal.catalog (
    version int4 NOT NULL PRIMARY KEY
);

-- Where instances stamped `stamp` are at home. Never dumped: a copy runs nothing until df.adopt().
CREATE TABLE df_internal.home (
    system int8 NOT NULL,
    database oid NOT NULL,
    stamp int8 NOT NULL,
    PRIMARY KEY (system, database, stamp)
);

-- Definitions, one row per role and distinct text.
CREATE TABLE df_internal.graphs (
    id int8 NOT NULL PRIMARY KEY,
    role oid NOT NULL,
    format int2 NOT NULL,
    sha256 bytea NOT NULL,
    envelope text COLLATE "C" NOT NULL
);
CREATE INDEX graphs_role_sha256 ON df_internal.graphs (role, sha256);

-- Definitions that no start uses any more; they go with the last instance that does.
CREATE TABLE df_internal.retired (
    graph int8 NOT NULL PRIMARY KEY
);

-- What df.start fixed; never updated.
CREATE TABLE df_internal.instances (
    id int8 NOT NULL PRIMARY KEY,
    graph int8 NOT NULL,
    home int8 NOT NULL,
    created_at timestamptz NOT NULL,
    role oid NOT NULL,
    started_by oid NOT NULL,
    format int2 NOT NULL,
    public_id text COLLATE "C" NOT NULL,
    role_name text COLLATE "C" NOT NULL,
    label text COLLATE "C",
    database text COLLATE "C",
    variables text COLLATE "C",
    options text COLLATE "C"
);
CREATE UNIQUE INDEX instances_public_id ON df_internal.instances (public_id);
CREATE INDEX instances_role_created ON df_internal.instances (role, created_at DESC, public_id);

-- The facts of an instance; a loop's marks replace those before them. The key is the identity of the step: a second
-- run of it cannot be recorded.
CREATE TABLE df_internal.journal (
    instance int8 NOT NULL,
    at timestamptz NOT NULL,
    branch int4 NOT NULL,
    sequence int8 NOT NULL,
    node int4 NOT NULL,
    kind int2 NOT NULL,
    number int8,
    payload text COLLATE "C",
    PRIMARY KEY (instance, branch, sequence)
);

-- How instances ended, append-only.
CREATE TABLE df_internal.ended (
    instance int8 NOT NULL PRIMARY KEY,
    at timestamptz NOT NULL,
    status int2 NOT NULL,
    value text COLLATE "C",
    failure text COLLATE "C"
);

-- Branches that can go on now; what the ready set in shared memory is rebuilt from.
CREATE TABLE df_internal.active (
    role oid NOT NULL,
    instance int8 NOT NULL,
    branch int4 NOT NULL,
    PRIMARY KEY (role, instance, branch)
);

-- Instances that have not ended and were started under a limit on their number; without one nothing is written.
CREATE TABLE df_internal.counted (
    role oid NOT NULL,
    instance int8 NOT NULL,
    PRIMARY KEY (role, instance)
);

CREATE TABLE df_internal.timers (
    instance int8 NOT NULL,
    branch int4 NOT NULL,
    role oid NOT NULL,
    due timestamptz NOT NULL,
    PRIMARY KEY (instance, branch)
);
CREATE INDEX timers_due ON df_internal.timers (due, instance, branch);

-- Signals that no wait has consumed; insert and delete only.
CREATE TABLE df_internal.signals (
    instance int8 NOT NULL,
    number int8 NOT NULL,
    at timestamptz NOT NULL,
    name text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL,
    PRIMARY KEY (instance, number)
);
CREATE INDEX signals_name ON df_internal.signals (instance, name, number);

-- What was asked of an instance (kind 1: cancel), and after a crash who loads it (kind 2); insert-only, so that nobody
-- waits for anybody.
CREATE TABLE df_internal.requests (
    instance int8 NOT NULL,
    number int8 NOT NULL,
    at timestamptz NOT NULL,
    requested_by oid NOT NULL,
    kind int2 NOT NULL,
    reason text COLLATE "C" NOT NULL,
    PRIMARY KEY (instance, number)
);

-- Variables, one row per change; the highest number of a (role, name) counts, without a value it is unset.
CREATE TABLE df_internal.variables (
    role oid NOT NULL,
    number int8 NOT NULL,
    home int8 NOT NULL,
    name text COLLATE "C" NOT NULL,
    role_name text COLLATE "C" NOT NULL,
    value text COLLATE "C",
    PRIMARY KEY (role, name, number)
);

-- Which hosts a role (0: every role) may ask over HTTP; written by superusers.
CREATE TABLE df_internal.http_rules (
    home int8 NOT NULL,
    role oid NOT NULL,
    allowed int2 NOT NULL,
    pattern text COLLATE "C" NOT NULL,
    role_name text COLLATE "C" NOT NULL,
    PRIMARY KEY (home, role, pattern)
);

ALTER TABLE df_internal.catalog ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.home ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.graphs ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.retired ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.instances ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.ended ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.active ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.counted ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.signals ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.variables ENABLE ROW LEVEL SECURITY;
ALTER TABLE df_internal.http_rules ENABLE ROW LEVEL SECURITY;

-- Rows come and go quickly in these; vacuum's truncation would queue everybody behind an exclusive lock.
ALTER TABLE df_internal.journal SET (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, vacuum_truncate = off);
ALTER TABLE df_internal.active SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
ALTER TABLE df_internal.counted SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
ALTER TABLE df_internal.timers SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
ALTER TABLE df_internal.signals SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
ALTER TABLE df_internal.variables SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);

-- A dump carries the work, but neither where it is at home nor what was ready: df.adopt() decides that anew.
SELECT pg_catalog.pg_extension_config_dump('df_internal.graphs', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.retired', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.instances', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.journal', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.ended', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.timers', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.signals', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.requests', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.variables', '');
SELECT pg_catalog.pg_extension_config_dump('df_internal.http_rules', '');
