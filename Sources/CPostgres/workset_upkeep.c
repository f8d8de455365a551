/* SPDX-License-Identifier: PostgreSQL */
/* Whether a database is looked after, and when its scheduler wants to clean up. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "workset.h"

int64_t
pgs_scheduler_upkeep_due(void)
{
    workset_database *database;
    TimestampTz due = PGS_DUE_NEVER;

    if (pgs_set == NULL)
        return due;
    LWLockAcquire(pgs_set->lock, LW_SHARED);
    database = workset_database_find(MyDatabaseId);
    if (database != NULL)
        due = database->upkeep_due;
    LWLockRelease(pgs_set->lock);
    return due;
}

void
pgs_scheduler_set_upkeep_due(int64_t due)
{
    workset_database *database;

    if (pgs_set == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_find(MyDatabaseId);
    if (database != NULL)
        database->upkeep_due = due;
    LWLockRelease(pgs_set->lock);
}

int64_t
pgs_workset_booted_at(void)
{
    return pgs_set != NULL ? pgs_set->booted_at : 0;
}

/* Of a database that has no scheduler: since when it should have one, or `now`. */
static TimestampTz
unserved_since(const workset_database *database, TimestampTz now)
{
    TimestampTz due = Min(database->next_due, database->upkeep_due);

    if (database->sweep)
        return database->since;
    return due < now ? Max(due, database->since) : now;
}

int64_t
pgs_workset_served_at(void)
{
    TimestampTz now = GetCurrentTimestamp();
    TimestampTz seen = now;
    workset_database *database;

    if (pgs_set == NULL)
        return 0;
    LWLockAcquire(pgs_set->lock, LW_SHARED);
    database = workset_database_find(MyDatabaseId);
    if (pgs_set->launcher_pid == 0)
        seen = pgs_set->launcher_left;
    else if (pgs_set->stopped)
        seen = pgs_set->stopped_at;
    else if (database != NULL && database->scheduler == PGS_SCHEDULER_NONE)
        seen = unserved_since(database, now);
    else if (database != NULL && database->scheduler == PGS_SCHEDULER_STARTING)
        seen = database->since;
    seen = Min(Max(seen, pgs_set->booted_at), now);
    LWLockRelease(pgs_set->lock);
    return seen;
}
