/* SPDX-License-Identifier: PostgreSQL */
/* The scheduler of a database: its place, what it was asked to do, and what it leaves behind. */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "pgs_companion.h"
#include "workset.h"

workset_database *pgs_my_database = NULL;
static bool gives_up = false;

/* Whether the place is still this process's: a launcher may have given it away that took us for gone. */
static bool
is_mine(void)
{
    return ((volatile workset_database *) pgs_my_database)->pid == MyProcPid;
}

void
workset_scheduler_unseat(workset_database *database, bool failed, bool gave_up, workset_wakes *wakes)
{
    /* One that was ended may have known of work that nobody else remembers. */
    if (database->sweeping || (failed && database->known))
        database->sweep = true;
    if (database->scanning)
        database->next_due = PGS_DUE_NOW;
    database->sweeping = false;
    database->scanning = false;
    database->scheduler = PGS_SCHEDULER_NONE;
    database->failed = failed;
    database->gave_up = failed && gave_up;
    database->leave = false;
    database->pid = 0;
    database->procno = WORKSET_NONE;
    database->since = GetCurrentTimestamp();
    workset_wake_launcher(wakes);
}

static void
scheduler_exit(int code, Datum argument)
{
    workset_wakes wakes = {0};

    if (pgs_my_database == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (is_mine())
        workset_scheduler_unseat(
            pgs_my_database, !pgs_scheduler_must_leave(), gives_up || !pgs_my_database->has_looked, &wakes);
    pgs_my_database = NULL;
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

bool
pgs_scheduler_attach(uint64_t main_arg, pgs_oid *oid)
{
    workset_ticket ticket;
    workset_database *database;
    bool attached = false;

    if (pgs_set == NULL || MyBgworkerEntry == NULL || main_arg >= (uint64) pgs_set->database_count)
        return false;
    memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
    if (ticket.boot != pgs_set->boot)
        return false;
    database = &pgs_databases[main_arg];
    before_shmem_exit(scheduler_exit, (Datum) 0);
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (database->scheduler == PGS_SCHEDULER_STARTING && database->generation == ticket.generation)
    {
        database->scheduler = PGS_SCHEDULER_RUNNING;
        database->published = false;
        database->has_looked = false;
        database->pid = MyProcPid;
        database->procno = pgs_latch_own_number();
        database->since = GetCurrentTimestamp();
        *oid = database->oid;
        pgs_my_database = database;
        attached = true;
    }
    LWLockRelease(pgs_set->lock);
    return attached;
}

void
pgs_scheduler_gives_up(void)
{
    gives_up = true;
}

void
pgs_database_mark(bool has_extension)
{
    if (pgs_my_database == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    pgs_my_database->known = has_extension;
    LWLockRelease(pgs_set->lock);
}

int64_t
pgs_scheduler_next_due_begin(void)
{
    int64 hinted;

    if (pgs_my_database == NULL)
        return PGS_DUE_NEVER;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    hinted = pgs_my_database->hinted;
    pgs_my_database->hinted = PGS_DUE_NEVER;
    pgs_my_database->scanning = true;
    pgs_my_database->published = false;
    pgs_my_database->next_due = PGS_DUE_NOW;
    LWLockRelease(pgs_set->lock);
    return hinted;
}

bool
pgs_scheduler_publish_due(int64_t due)
{
    bool is_current;

    if (pgs_my_database == NULL)
        return true;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    is_current = pgs_my_database->hinted >= due;
    pgs_my_database->scanning = false;
    pgs_my_database->published = true;
    pgs_my_database->has_looked = true;
    pgs_my_database->stale = false;
    pgs_my_database->next_due = Min(due, pgs_my_database->hinted);
    LWLockRelease(pgs_set->lock);
    return is_current;
}

bool
pgs_scheduler_take_sweep(void)
{
    bool wanted;

    if (pgs_my_database == NULL)
        return false;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    wanted = pgs_my_database->sweep;
    pgs_my_database->sweep = false;
    pgs_my_database->sweeping = pgs_my_database->sweeping || wanted;
    LWLockRelease(pgs_set->lock);
    return wanted;
}

bool
pgs_scheduler_take_roleless(void)
{
    bool found;

    if (pgs_my_database == NULL)
        return false;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    found = pgs_my_database->roleless;
    pgs_my_database->roleless = false;
    LWLockRelease(pgs_set->lock);
    return found;
}

pgs_oid
pgs_scheduler_sweep_from(void)
{
    return pgs_my_database != NULL ? pgs_my_database->sweep_from : InvalidOid;
}

void
pgs_scheduler_sweep_stopped(pgs_oid role)
{
    if (pgs_my_database == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (is_mine())
        pgs_my_database->sweep_from = role;
    LWLockRelease(pgs_set->lock);
}

void
pgs_scheduler_sweep_done(void)
{
    if (pgs_my_database == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    pgs_my_database->sweeping = false;
    LWLockRelease(pgs_set->lock);
}

bool
pgs_scheduler_must_leave(void)
{
    volatile workset_database *database = pgs_my_database;

    return database != NULL
        && (!is_mine() || database->leave || database->vacate > 0 || database->quiesce > 0
            || ((volatile workset *) pgs_set)->stopped);
}

/* How many prepared transactions were counted, if none is left; called without the lock, since it looks at others. */
static int32
prepared_and_ended(void)
{
    int32 prepared = ((volatile workset_database *) pgs_my_database)->prepared;

    return prepared > 0 && !pgs_prepared_may_exist() ? prepared : 0;
}

/* The place is free again; nothing that the next one needs to know is lost. */
static void
vacate(workset_database *database, int64_t next_due, int32 prepared, workset_wakes *wakes)
{
    bool failed;

    /* One that leaves before it has looked leaves what it came for to the next. */
    if (!database->published)
        next_due = Min(next_due, database->next_due);
    if (!database->known)
    {
        database->hinted = PGS_DUE_NEVER;
        database->roleless = false;
    }
    database->next_due = database->known ? Min(next_due, database->hinted) : PGS_DUE_NEVER;
    database->scanning = false;
    /* Whoever prepares is seen first and counts afterwards: then the count has changed. */
    if (database->prepared == prepared)
        database->prepared = 0;
    /* Else it would be started again and again, without a pause. */
    failed = database->next_due <= GetCurrentTimestamp() && !database->published && !pgs_scheduler_must_leave();
    workset_scheduler_unseat(database, failed, true, wakes);
    pgs_my_database = NULL;
    if (!database->known && !database->sweep && database->slots == 0)
        workset_database_forget(database, wakes);
}

bool
pgs_scheduler_detach(int64_t next_due)
{
    workset_wakes wakes = {0};
    workset_database *database = pgs_my_database;
    bool leaving = true;
    int32 prepared;

    if (database == NULL)
        return true;
    prepared = prepared_and_ended();
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (!is_mine())
        pgs_my_database = NULL;
    /* Timers of a database without the extension are nobody's: what is new there asks for a sweep as well. */
    else if ((database->sweep || (database->known && (database->roleless || database->hinted < next_due)))
             && !pgs_scheduler_must_leave())
        leaving = false;
    else
        vacate(database, next_due, prepared, &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return leaving;
}
