/* SPDX-License-Identifier: PostgreSQL */
/* The session around the statements: put back between them, shown to monitoring, written to the log. */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/ps_status.h"
#include "utils/snapmgr.h"

#include "guard.h"
#include "pgs_step.h"
#include "step.h"

/* ---------------------------------------------------------------- identity */

void
pgs_identity_check(void)
{
    Oid user;
    int context;

    GetUserIdAndSecContext(&user, &context);
    if (context == 0
        && (GetSessionUserId() == GetAuthenticatedUserId() || superuser_arg(GetAuthenticatedUserId())))
        return;
    ereport(FATAL,
            errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("terminating process because a statement left its identity changed"));
}

/* ---------------------------------------------------------------- reset */

static void
reset_identity(void)
{
    Oid user;
    int context;

    if (GetSessionUserId() != GetAuthenticatedUserId() || OidIsValid(GetCurrentRoleId()))
    {
        SetPGVariable("session_authorization", NIL, false);
        SetPGVariable("role", NIL, false);
    }
    GetUserIdAndSecContext(&user, &context);
    if (user != GetAuthenticatedUserId() || GetSessionUserId() != user || context != 0)
        ereport(FATAL,
                errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("terminating process because its identity could not be reset"));
}

static bool temporary_noted;

void
pgs_session_note_temporary(void)
{
    temporary_noted = true;
}

static void
reset_temporary_tables(void)
{
    if (!temporary_noted)
        return;
    /* Nothing is lost with this commit in a crash: leftovers are removed by the next owner of the namespace. */
    (void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
    PushActiveSnapshot(GetTransactionSnapshot());
    ResetTempTableNamespace();
    PopActiveSnapshot();
}

/* The role may have chosen to wait for less. */
pgs_error *
pgs_commit_must_last(void)
PGS_GUARD_BEGIN
    if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
        (void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                                 false);
PGS_GUARD_END

/* Temporary tables and a changed identity need catalogs, and so a transaction. */
static bool
needs_transaction(void)
{
    Oid user;
    int context;

    GetUserIdAndSecContext(&user, &context);
    return temporary_noted || user != GetAuthenticatedUserId() || GetSessionUserId() != user || context != 0 ||
        OidIsValid(GetCurrentRoleId());
}

static pgs_error *
reset(void)
PGS_GUARD_BEGIN
    bool transaction = needs_transaction();

    /* A cancel that comes now was meant for what is over. */
    QueryCancelPending = false;
    if (transaction)
    {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        pgs_transaction_be_plain();
        reset_identity();
        reset_temporary_tables();
    }
    /* LISTEN is not among these: the server refuses it in background workers. */
    PortalHashTableDeleteAll();
    ResetAllOptions();
    DropAllPreparedStatements();
    LockReleaseAll(USER_LOCKMETHOD, true);
    ResetSequenceCaches();
    if (transaction)
        CommitTransactionCommand();
    temporary_noted = false;
    pgs_step_release();
PGS_GUARD_END

pgs_error *
pgs_session_reset(void)
{
    MemoryContextSwitchTo(TopMemoryContext);
    return reset();
}

/* ---------------------------------------------------------------- libraries */

static Size known_libraries;

void
pgs_session_note_libraries(void)
{
    known_libraries = EstimateLibraryStateSpace();
}

/* Libraries of the server's own that keep nothing of a user's between calls, and that ordinary work loads. */
static bool
is_harmless(const char *path)
{
    static const char *const names[] = {"plpgsql" DLSUFFIX, "llvmjit" DLSUFFIX, "dict_snowball" DLSUFFIX};
    size_t directory = strlen(pkglib_path);
    const char *name;

    if (strncmp(path, pkglib_path, directory) != 0 || path[directory] != '/')
        return false;
    name = path + directory + 1;
    for (size_t i = 0; i < lengthof(names); i++)
    {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return strstr(name, "_and_") != NULL;       /* encoding conversions */
}

bool
pgs_session_is_soiled(void)
{
    Size size = EstimateLibraryStateSpace();
    char *names;
    bool soiled = false;

    if (known_libraries == 0 || size == known_libraries)
        return false;
    /* The list only grows at its end: what is new begins where the known part ends. */
    if (size < known_libraries || (names = malloc(size)) == NULL)
        return true;
    SerializeLibraryState(size, names);
    for (Size at = known_libraries - 1; at < size && names[at] != '\0'; at += strlen(names + at) + 1)
        soiled = soiled || !is_harmless(names + at);
    free(names);
    if (!soiled)
        known_libraries = size;
    return soiled;
}

/* ---------------------------------------------------------------- what others see */

void
pgs_activity(const uint8_t *sql, size_t length)
{
    static char *shown = NULL;
    size_t room = pgstat_track_activity_query_size;

    if (sql == NULL)
    {
        debug_query_string = NULL;
        pgstat_report_activity(STATE_IDLE, NULL);
        set_ps_display("idle");
        return;
    }
    if (shown == NULL && (shown = malloc(room)) == NULL)
        return;
    length = Min(length, room - 1);
    memcpy(shown, sql, length);
    shown[length] = '\0';
    /* A conversion could fail, and needs a transaction. */
    if (GetDatabaseEncoding() != PG_UTF8)
    {
        for (size_t i = 0; i < length; i++)
        {
            if (IS_HIGHBIT_SET(shown[i]))
                shown[i] = '?';
        }
    }
    pgstat_report_activity(STATE_RUNNING, shown);
}

pgs_error *
pgs_statistics_flush(void)
PGS_GUARD_BEGIN
    pgstat_report_stat(true);
PGS_GUARD_END

bool
pgs_log_statement(List *raw_statements, const char *text)
{
    bool wanted = log_statement == LOGSTMT_ALL;
    ListCell *cell;

    if (log_statement == LOGSTMT_NONE)
        return false;
    foreach(cell, raw_statements)
        wanted = wanted || GetCommandLogLevel((Node *) lfirst(cell)) <= log_statement;
    if (wanted)
        ereport(LOG, errmsg("statement: %s", text), errhidestmt(true));
    return wanted;
}

void
pgs_log_duration(const char *text, bool was_logged)
{
    char milliseconds[32];

    switch (check_log_duration(milliseconds, was_logged))
    {
        case 1:
            ereport(LOG, errmsg("duration: %s ms", milliseconds), errhidestmt(true));
            break;
        case 2:
            ereport(LOG, errmsg("duration: %s ms  statement: %s", milliseconds, text), errhidestmt(true));
            break;
        default:
            break;
    }
}

/* ---------------------------------------------------------------- cancels */

void
pgs_cancels_hold(void)
{
    /* One that came before was meant for what must not be cancelled any more, and the wait for a standby answers it. */
    QueryCancelPending = false;
    if (QueryCancelHoldoffCount == 0)
        HOLD_CANCEL_INTERRUPTS();
}

void
pgs_cancels_release(void)
{
    if (QueryCancelHoldoffCount > 0)
        RESUME_CANCEL_INTERRUPTS();
}
