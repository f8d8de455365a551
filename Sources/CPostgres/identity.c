/* SPDX-License-Identifier: PostgreSQL */
/* Roles, databases and rights; see pgs_identity.h. */
#include "guard.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pgs_identity.h"

static volatile bool catalog_changed = false;

int64_t
pgs_system_identifier(void)
{
    return (int64_t) GetSystemIdentifier();
}

static bool
may_use_schema(Oid role, const char *schema)
{
    Oid namespace = get_namespace_oid(schema, true);

    if (!OidIsValid(namespace))
        return false;
    return pgs_may_use_namespace(namespace, role);
}

pgs_error *
pgs_role_standing(pgs_oid role, const char *schema, bool allow_superuser, pgs_standing *out)
PGS_GUARD_BEGIN
    HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));

    *out = PGS_STANDING_GOOD;
    if (!HeapTupleIsValid(tuple))
        *out = PGS_STANDING_MISSING;
    else
    {
        Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

        if (!form->rolcanlogin)
            *out = PGS_STANDING_NOLOGIN;
        else if (form->rolsuper && !allow_superuser)
            *out = PGS_STANDING_SUPERUSER;
        ReleaseSysCache(tuple);
    }
    if (*out == PGS_STANDING_GOOD && OidIsValid(MyDatabaseId))
    {
        if (!pgs_may_connect(MyDatabaseId, role))
            *out = PGS_STANDING_NO_CONNECT;
        else if (schema && !may_use_schema(role, schema))
            *out = PGS_STANDING_NO_USAGE;
    }
PGS_GUARD_END

pgs_error *
pgs_database_is_template(bool *out)
PGS_GUARD_BEGIN
    HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));

    *out = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
    if (HeapTupleIsValid(tuple))
        ReleaseSysCache(tuple);
PGS_GUARD_END

static void
on_catalog_change(Datum arg, int cache, uint32 hash)
{
    catalog_changed = true;
}

void
pgs_catalog_watch(void)
{
    static bool registered = false;

    if (registered)
        return;
    registered = true;
    CacheRegisterSyscacheCallback(AUTHOID, on_catalog_change, (Datum) 0);
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, on_catalog_change, (Datum) 0);
    CacheRegisterSyscacheCallback(DATABASEOID, on_catalog_change, (Datum) 0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, on_catalog_change, (Datum) 0);
}

bool
pgs_catalog_changed(void)
{
    bool changed = catalog_changed;

    catalog_changed = false;
    return changed;
}

pgs_error *
pgs_may_use_schema(const char *schema, bool *out)
PGS_GUARD_BEGIN
    *out = may_use_schema(GetUserId(), schema);
PGS_GUARD_END

pgs_error *
pgs_may_execute(pgs_oid role, const char *schema, const char *function, const pgs_oid *types, int32_t count, bool *out)
PGS_GUARD_BEGIN
    Oid namespace = get_namespace_oid(schema, true);
    oidvector *arguments = buildoidvector(types, count);
    HeapTuple tuple = NULL;

    *out = false;
    if (OidIsValid(namespace))
        tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(function), PointerGetDatum(arguments),
                                ObjectIdGetDatum(namespace));
    if (HeapTupleIsValid(tuple))
    {
        *out = pgs_may_execute_function(((Form_pg_proc) GETSTRUCT(tuple))->oid, role);
        ReleaseSysCache(tuple);
    }
PGS_GUARD_END

pgs_error *
pgs_sees_all_rows(bool *out)
PGS_GUARD_BEGIN
    *out = superuser() || has_bypassrls_privilege(GetUserId());
PGS_GUARD_END

pgs_error *
pgs_role_by_name(const uint8_t *name, size_t length, pgs_oid *out)
PGS_GUARD_BEGIN
    size_t server_length;

    *out = get_role_oid(pgs_text_to_server(name, length, &server_length), true);
PGS_GUARD_END

pgs_error *
pgs_database_by_name(const uint8_t *name, size_t length, pgs_oid *out)
PGS_GUARD_BEGIN
    size_t server_length;

    *out = get_database_oid(pgs_text_to_server(name, length, &server_length), true);
PGS_GUARD_END

pgs_error *
pgs_extension_exists(const char *name, bool *out)
PGS_GUARD_BEGIN
    *out = OidIsValid(get_extension_oid(name, true));
PGS_GUARD_END

static void
prevent_effects(const char *command)
{
    PreventCommandDuringRecovery(command);
    PreventCommandIfParallelMode(command);
    if (InSecurityRestrictedOperation())
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                 errmsg("cannot execute %s within security-restricted operation", command)));
}

pgs_error *
pgs_prevent_write(const char *command)
PGS_GUARD_BEGIN
    prevent_effects(command);
    PreventCommandIfReadOnly(command);
PGS_GUARD_END

pgs_error *
pgs_prevent_write_elsewhere(const char *command)
PGS_GUARD_BEGIN
    prevent_effects(command);
PGS_GUARD_END

pgs_error *
pgs_pin_role_setting(void)
PGS_GUARD_BEGIN
    SetConfigOption("role", "none", PGC_SUSET, PGC_S_OVERRIDE);
PGS_GUARD_END

pgs_error *
pgs_load_session_libraries(void)
PGS_GUARD_BEGIN
    StartTransactionCommand();
    process_session_preload_libraries();
    CommitTransactionCommand();
PGS_GUARD_END

bool
pgs_standard_conforming_strings(void)
{
    return standard_conforming_strings;
}

pgs_error *
pgs_standard_conforming_strings_at_first(bool *out)
PGS_GUARD_BEGIN
    *out = strcmp(GetConfigOptionResetString("standard_conforming_strings"), "on") == 0;
PGS_GUARD_END

static pgs_error *
run_guarded(const char *sql)
PGS_GUARD_BEGIN
    SPI_connect();
    if (SPI_execute(sql, false, 0) < 0)
        elog(ERROR, "could not execute \"%s\"", sql);
    SPI_finish();
PGS_GUARD_END

pgs_error *
pgs_run_outside_extension(const char *sql)
{
    bool saved = creating_extension;
    pgs_error *error;

    creating_extension = false;
    error = run_guarded(sql);
    creating_extension = saved;
    return error;
}

bool
pgs_server_is_utf8(void)
{
    return GetDatabaseEncoding() == PG_UTF8;
}
