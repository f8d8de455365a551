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

/* What DROP DATABASE leaves in the connection limit when it does not come to its end; older minor releases lack it. */
#ifndef DATCONNLIMIT_INVALID_DB
#define DATCONNLIMIT_INVALID_DB (-2)
#endif

static pgs_obstacle
obstacle_of_database(Form_pg_database database)
{
    if (database->datconnlimit == DATCONNLIMIT_INVALID_DB)
        return PGS_OBSTACLE_INVALID;
    return database->datallowconn ? PGS_OBSTACLE_NONE : PGS_OBSTACLE_CLOSED;
}

static int32
scan_databases(Oid only, pgs_oid *out, int32 max, pgs_place *place)
{
    Relation relation = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
    HeapTuple tuple;
    int32 count = 0;

    while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
    {
        Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

        if (database->oid == only)
        {
            place->obstacle = obstacle_of_database(database);
            place->is_template = database->datistemplate;
        }
        if (obstacle_of_database(database) != PGS_OBSTACLE_NONE || database->datistemplate)
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
    pgs_place ignored = {.obstacle = PGS_OBSTACLE_NONE};

    begin_look();
    *count = scan_databases(InvalidOid, out, max, &ignored);
    CommitTransactionCommand();
PGS_GUARD_END

static void
look_at_role(Oid database, Oid role, pgs_place *place)
{
    HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
    Form_pg_authid form;

    if (!HeapTupleIsValid(tuple))
    {
        place->obstacle = PGS_OBSTACLE_ROLE;
        return;
    }
    form = (Form_pg_authid) GETSTRUCT(tuple);
    if (!form->rolsuper)
        place->connections_max = form->rolconnlimit;
    if (!form->rolcanlogin)
        place->obstacle = PGS_OBSTACLE_LOGIN;
    else if (place->connections_max == 0)
        place->obstacle = PGS_OBSTACLE_LIMIT;
    else if (!pgs_may_connect(database, role))
        place->obstacle = PGS_OBSTACLE_CONNECT;
    ReleaseSysCache(tuple);
}

pgs_error *
pgs_check_place(pgs_oid database, pgs_oid role, pgs_place *out)
PGS_GUARD_BEGIN
    *out = (pgs_place) {.obstacle = PGS_OBSTACLE_DATABASE, .connections_max = -1};
    begin_look();
    (void) scan_databases(database, NULL, 0, out);
    if (out->obstacle == PGS_OBSTACLE_NONE && OidIsValid(role))
        look_at_role(database, role, out);
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
    {"transaction_timeout", "0"}, /* of later servers; others do not know it */
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
    {
        if (GetConfigOption(pinned[i].name, true, false) != NULL)
            SetConfigOption(pinned[i].name, pinned[i].value, PGC_SUSET, PGC_S_OVERRIDE);
    }
    for (size_t i = 0; i < lengthof(kept); i++)
    {
        const char *value = GetConfigOption(kept[i], true, false);

        if (value != NULL)
            SetConfigOption(kept[i], pstrdup(value), PGC_SUSET, PGC_S_OVERRIDE);
    }
PGS_GUARD_END
