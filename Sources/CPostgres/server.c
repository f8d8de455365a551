/* SPDX-License-Identifier: PostgreSQL */
/* Facts about the session and the server, and its clocks. */
#include "guard.h"

#include <time.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

pgs_oid
pgs_user_current(void)
{
    return GetUserId();
}

pgs_oid
pgs_user_session(void)
{
    return GetSessionUserId();
}

pgs_oid
pgs_user_outer(void)
{
    return GetOuterUserId();
}

pgs_oid
pgs_user_authenticated(void)
{
    return GetAuthenticatedUserId();
}

pgs_oid
pgs_database_current(void)
{
    return MyDatabaseId;
}

int32_t
pgs_process_id(void)
{
    return MyProcPid;
}

pgs_error *
pgs_is_superuser(pgs_oid role, bool *out)
PGS_GUARD_BEGIN
    *out = superuser_arg(role);
PGS_GUARD_END

bool
pgs_in_recovery(void)
{
    return RecoveryInProgress();
}

int32_t
pgs_server_version(void)
{
    return PG_VERSION_NUM;
}

pgs_error *
pgs_has_privileges_of(pgs_oid role, pgs_oid group, bool *out)
PGS_GUARD_BEGIN
    *out = has_privs_of_role(role, group);
PGS_GUARD_END

pgs_error *
pgs_role_name(pgs_oid role, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    const char *name = GetUserNameFromId(role, true);

    *bytes = NULL;
    *length = 0;
    if (name != NULL)
        *bytes = pgs_text_from_server(name, strlen(name), length);
PGS_GUARD_END

pgs_error *
pgs_database_name(pgs_oid database, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    const char *name = get_database_name(database);

    *bytes = NULL;
    *length = 0;
    if (name != NULL)
        *bytes = pgs_text_from_server(name, strlen(name), length);
PGS_GUARD_END

int64_t
pgs_now(void)
{
    return GetCurrentTimestamp();
}

int64_t
pgs_now_transaction(void)
{
    return GetCurrentTransactionStartTimestamp();
}

int64_t
pgs_now_statement(void)
{
    return GetCurrentStatementStartTimestamp();
}

int64_t
pgs_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * INT64CONST(1000000000) + now.tv_nsec;
}
