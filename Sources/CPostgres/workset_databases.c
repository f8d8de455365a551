/* SPDX-License-Identifier: PostgreSQL */
/* Databases that hold the extension, or may: their schedulers, timers and sweeps. */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "exchange.h"
#include "workset.h"

workset_database *pgs_my_database = NULL;
static bool gives_up = false;

workset_database *
workset_database_find(Oid oid)
{
    for (int32 i = 0; i < WORKSET_DATABASES; i++)
    {
        if (pgs_set->databases[i].oid == oid)
            return &pgs_set->databases[i];
    }
    return NULL;
}

/* Drops its queues that nobody uses. */
static void
drop_queues(workset_database *database)
{
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        workset_queue *queue = &pgs_set->queues[i];

        if (queue->database == database->oid && queue->slots == 0 && queue->count == 0 && !queue->overflow)
            workset_queue_drop(queue);
    }
}

/* Gives the row back if nothing would be lost with it. */
void
workset_database_reclaim(workset_database *database)
{
    if (database->oid == InvalidOid || database->scheduler != PGS_SCHEDULER_NONE || database->slots > 0
        || database->vacate > 0 || database->quiesce > 0)
        return;
    drop_queues(database);
    if (database->queues > 0 || database->sweep || database->overflow || database->prepared > 0
        || database->next_due != PGS_DUE_NEVER)
        return;
    memset(database, 0, sizeof(workset_database));
}

/* The row of a database, made when there is none; NULL when all are in use, and then the launcher has to look. */
workset_database *
workset_database_get(Oid oid)
{
    workset_database *database = workset_database_find(oid);

    if (database != NULL)
        return database;
    database = workset_database_find(InvalidOid);
    for (int32 i = 0; database == NULL && i < WORKSET_DATABASES; i++)
    {
        workset_database_reclaim(&pgs_set->databases[i]);
        database = workset_database_find(InvalidOid);
    }
    if (database == NULL)
    {
        pgs_set->lost_databases = true;
        return NULL;
    }
    memset(database, 0, sizeof(workset_database));
    database->oid = oid;
    database->procno = WORKSET_NONE;
    database->prepared = 1;
    database->sweep = true;
    database->next_due = PGS_DUE_NEVER;
    database->hinted = PGS_DUE_NEVER;
    database->upkeep_due = PGS_DUE_NEVER;
    return database;
}

/* The extension or the database is gone: nothing of it is to be done. */
void
workset_database_forget(workset_database *database)
{
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        if (pgs_set->queues[i].database == database->oid)
            workset_queue_clear(&pgs_set->queues[i]);
    }
    database->known = false;
    database->sweep = false;
    database->sweeping = false;
    database->overflow = false;
    database->next_due = PGS_DUE_NEVER;
    database->hinted = PGS_DUE_NEVER;
    database->upkeep_due = PGS_DUE_NEVER;
    database->prepared = 0;
    workset_database_reclaim(database);
}

void
pgs_database_forget(pgs_oid oid)
{
    workset_database *database;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_find(oid);
    if (database != NULL)
        workset_database_forget(database);
    LWLockRelease(pgs_set->lock);
    exchange_forget_database(oid);
}

void
pgs_launcher_forget_queue(pgs_oid database, pgs_oid role)
{
    workset_queue *queue;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    queue = workset_queue_find(database, role);
    if (queue != NULL)
        workset_queue_clear(queue);
    LWLockRelease(pgs_set->lock);
}

void
workset_want_sweep(workset_database *database, workset_wakes *wakes)
{
    if (database->sweep && database->scheduler == PGS_SCHEDULER_STARTING)
        return;
    database->sweep = true;
    workset_wake_scheduler(wakes, database);
}

/* A timer that is due at `due` was committed. */
void
workset_hint_due(workset_database *database, TimestampTz due, workset_wakes *wakes)
{
    database->hinted = Min(database->hinted, due);
    /* Whoever is looking for the extension there has to look again. */
    if (!database->known)
        database->sweep = true;
    if (due >= database->next_due)
        return;
    database->next_due = due;
    workset_wake_scheduler(wakes, database);
}

void
pgs_timer_push(int64_t due)
{
    workset_wakes wakes = {0};
    workset_database *database;

    if (pgs_set == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_get(MyDatabaseId);
    if (database != NULL)
        workset_hint_due(database, due, &wakes);
    else
        workset_wake_launcher(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

bool
workset_database_is_empty(workset_database *database, bool idle_only)
{
    int32 index = (int32) (database - pgs_set->databases);

    if (database->scheduler != PGS_SCHEDULER_NONE && database != pgs_my_database)
        return false;
    for (int32 i = 0; i < WORKSET_PLACES; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->state != PGS_SLOT_FREE && slot->database_index == index && slot != pgs_my_slot
            && slot->state != PGS_SLOT_EXITED && !(idle_only && slot->state == PGS_SLOT_BUSY && slot->has_work))
            return false;
    }
    return true;
}

void
workset_database_wake_all(workset_database *database, workset_wakes *wakes)
{
    int32 index = (int32) (database - pgs_set->databases);

    workset_wake(wakes, database->procno);
    for (int32 i = 0; i < WORKSET_PLACES; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->state != PGS_SLOT_FREE && slot->database_index == index)
            workset_wake(wakes, slot->procno);
    }
    workset_wake_launcher(wakes);
}

/* ---- The scheduler's own side ---- */

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

    if (pgs_set == NULL || MyBgworkerEntry == NULL || main_arg >= WORKSET_DATABASES)
        return false;
    memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
    if (ticket.boot != pgs_set->boot)
        return false;
    database = &pgs_set->databases[main_arg];
    before_shmem_exit(scheduler_exit, (Datum) 0);
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (database->scheduler == PGS_SCHEDULER_STARTING && database->generation == ticket.generation)
    {
        database->scheduler = PGS_SCHEDULER_RUNNING;
        database->published = false;
        database->has_looked = false;
        database->pid = MyProcPid;
        database->procno = workset_my_procno();
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
        && (database->leave || database->vacate > 0 || database->quiesce > 0
            || ((volatile workset *) pgs_set)->stopped);
}

bool
pgs_scheduler_detach(int64_t next_due)
{
    workset_wakes wakes = {0};
    workset_database *database = pgs_my_database;
    bool leaving = true;
    bool failed;

    if (database == NULL)
        return true;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    /* Timers of a database without the extension are nobody's: what is new there asks for a sweep as well. */
    if ((database->sweep || (database->known && database->hinted < next_due)) && !pgs_scheduler_must_leave())
        leaving = false;
    else
    {
        /* One that leaves before it has looked leaves what it came for to the next. */
        if (!database->published)
            next_due = Min(next_due, database->next_due);
        if (!database->known)
            database->hinted = PGS_DUE_NEVER;
        database->next_due = database->known ? Min(next_due, database->hinted) : PGS_DUE_NEVER;
        database->scanning = false;
        /* Else it would be started again and again, without a pause. */
        failed = database->next_due <= GetCurrentTimestamp() && !database->published && !pgs_scheduler_must_leave();
        workset_scheduler_unseat(database, failed, true, &wakes);
        pgs_my_database = NULL;
        if (!database->known && !database->sweep && database->slots == 0)
            workset_database_forget(database);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return leaving;
}
