/* SPDX-License-Identifier: PostgreSQL */
/* What the launcher must know from the shared catalogs before it starts a process, and settings nobody may plant. */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "guard.h"
#include "pgs_launch.h"

static void
begin_look(void)
{
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    (void) GetTransactionSnapshot();
}

static int32
scan_databases(Oid only, pgs_oid *out, int32 max, pgs_obstacle *obstacle)
{
    Relation relation = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
    HeapTuple tuple;
    int32 count = 0;

    while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
    {
        Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

        if (database->oid == only)
            *obstacle = database->datallowconn ? PGS_OBSTACLE_NONE : PGS_OBSTACLE_CLOSED;
        if (!database->datallowconn || database->datistemplate)
            continue;
        if (count < max)
            out[count] = database->oid;
        count++;
    }
    table_endscan(scan);
    table_close(relation, AccessShareLock);
    return count;
}

pgs_error *
pgs_list_databases(pgs_oid *out, int32_t max, int32_t *count)
PGS_GUARD_BEGIN
    pgs_obstacle ignored = PGS_OBSTACLE_NONE;

    begin_look();
    *count = scan_databases(InvalidOid, out, max, &ignored);
    CommitTransactionCommand();
PGS_GUARD_END

static pgs_obstacle
obstacle_to(Oid database, Oid role)
{
    HeapTuple tuple;
    bool can_login;
    pgs_obstacle obstacle = PGS_OBSTACLE_DATABASE;

    (void) scan_databases(database, NULL, 0, &obstacle);
    if (obstacle != PGS_OBSTACLE_NONE || role == InvalidOid)
        return obstacle;
    tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
    if (!HeapTupleIsValid(tuple))
        return PGS_OBSTACLE_ROLE;
    can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
    ReleaseSysCache(tuple);
    if (!can_login)
        return PGS_OBSTACLE_LOGIN;
#if PG_VERSION_NUM >= 160000
    if (object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT) != ACLCHECK_OK)
#else
    if (pg_database_aclcheck(database, role, ACL_CONNECT) != ACLCHECK_OK)
#endif
        return PGS_OBSTACLE_CONNECT;
    return PGS_OBSTACLE_NONE;
}

pgs_error *
pgs_check_place(pgs_oid database, pgs_oid role, pgs_obstacle *out)
PGS_GUARD_BEGIN
    begin_look();
    *out = obstacle_to(database, role);
    CommitTransactionCommand();
PGS_GUARD_END

static const struct {
    const char *name;
    const char *value;
} pinned[] = {
    {"search_path", "pg_catalog, pg_temp"},
    {"role", "none"},
    {"statement_timeout", "0"},
    {"lock_timeout", "0"},
    {"idle_in_transaction_session_timeout", "0"},
    {"idle_session_timeout", "0"},
#if PG_VERSION_NUM >= 170000
    {"transaction_timeout", "0"},
#endif
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"},
    {"default_transaction_deferrable", "off"},
    {"default_tablespace", ""},
    {"temp_tablespaces", ""},
    {"row_security", "on"},
    {"session_replication_role", "origin"},
    {"zero_damaged_pages", "off"},
    {"enable_indexscan", "on"},
};

/* The value the server's own configuration gave, kept against ALTER DATABASE and ALTER ROLE. */
static const char *const kept[] = {"synchronous_commit", "commit_delay", "jit"};

pgs_error *
pgs_pin_settings(void)
PGS_GUARD_BEGIN
    for (size_t i = 0; i < lengthof(pinned); i++)
        SetConfigOption(pinned[i].name, pinned[i].value, PGC_SUSET, PGC_S_OVERRIDE);
    for (size_t i = 0; i < lengthof(kept); i++)
    {
        const char *value = GetConfigOption(kept[i], true, false);

        if (value != NULL)
            SetConfigOption(kept[i], pstrdup(value), PGC_SUSET, PGC_S_OVERRIDE);
    }
PGS_GUARD_END
