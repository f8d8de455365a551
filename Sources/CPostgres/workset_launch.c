/* SPDX-License-Identifier: PostgreSQL */
/* The launcher's hands: it registers workers, keeps their handles and finds out what became of them. */
#include "postgres.h"

#include <errno.h>
#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guard.h"
#include "worker.h"
#include "workset.h"

/* A start that an earlier launcher began and nobody finished. */
#define START_PATIENCE (INT64CONST(30) * USECS_PER_SEC)

static BackgroundWorkerHandle *slot_handles[2 * WORKSET_SLOTS_MAX];
static BackgroundWorkerHandle **scheduler_handles;

static void
launcher_exit(int code, Datum argument)
{
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (pgs_set->launcher_pid == MyProcPid)
    {
        pgs_set->launcher_pid = 0;
        pgs_set->launcher_procno = WORKSET_NONE;
        pgs_set->launcher_left = GetCurrentTimestamp();
    }
    LWLockRelease(pgs_set->lock);
}

pgs_error *
pgs_launcher_attach(void)
PGS_GUARD_BEGIN
    bool is_first;

    scheduler_handles = MemoryContextAllocZero(
        TopMemoryContext, (Size) pgs_set->database_count * sizeof(BackgroundWorkerHandle *));
    before_shmem_exit(launcher_exit, (Datum) 0);
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    is_first = pgs_set->launcher_left == pgs_set->booted_at;
    pgs_set->launcher_pid = MyProcPid;
    pgs_set->launcher_procno = pgs_latch_own_number();
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
        pgs_set->queues[i].told = false;
    workset_prepared_note_all(is_first);
    LWLockRelease(pgs_set->lock);
PGS_GUARD_END

static void
drop_handle(BackgroundWorkerHandle **handle)
{
    if (*handle != NULL)
        pfree(*handle);
    *handle = NULL;
}

static bool
has_stopped(BackgroundWorkerHandle *handle)
{
    pid_t pid;

    return GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}

/* A place as it was seen: nothing is taken from a process that has changed it since. */
typedef struct sighting {
    int32 state;
    uint32 generation;
    int32 pid;
    TimestampTz since;
} sighting;

static sighting
sight_of_slot(const workset_slot *slot)
{
    return (sighting) {slot->state, slot->generation, slot->pid, slot->since};
}

static sighting
sight_of_scheduler(const workset_database *database)
{
    return (sighting) {
        database->oid != InvalidOid ? database->scheduler : PGS_SCHEDULER_NONE, database->generation, database->pid,
        database->since};
}

static bool
is_same(sighting a, sighting b)
{
    return a.state == b.state && a.generation == b.generation && a.pid == b.pid;
}

/*
 * Whether the process that was seen in a place is no more, asked without holding a lock of ours. One that an earlier
 * launcher started is asked for by its number: the server's list of backends does not have it before it is connected.
 */
static bool
is_gone(BackgroundWorkerHandle *handle, sighting seen, int64 now)
{
    if (handle != NULL)
        return has_stopped(handle);
    if (seen.pid != 0)
        return kill(seen.pid, 0) != 0 && errno == ESRCH;
    return now - seen.since > START_PATIENCE;
}

static int64
look_at_slot(int32 index, int64 now)
{
    workset_slot *slot = &pgs_set->slots[index];
    BackgroundWorkerHandle *handle = slot_handles[index];
    workset_wakes wakes = {0};
    sighting seen;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    seen = sight_of_slot(slot);
    LWLockRelease(pgs_set->lock);
    if (seen.state == PGS_SLOT_FREE)
        return PGS_DUE_NEVER;

    if ((seen.state == PGS_SLOT_EXITED && handle == NULL) || is_gone(handle, seen, now))
    {
        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        if (is_same(sight_of_slot(slot), seen))
        {
            if (slot->state != PGS_SLOT_EXITED)
                workset_slot_exited(slot, &wakes);
            slot->gone = true;
        }
        LWLockRelease(pgs_set->lock);
        workset_wake_flush(&wakes);
        return PGS_DUE_NEVER;
    }
    return seen.state == PGS_SLOT_STARTING || seen.state == PGS_SLOT_EXITED ? now + USECS_PER_SEC : PGS_DUE_NEVER;
}

static int64
look_at_scheduler(int32 index, int64 now)
{
    workset_database *database = &pgs_databases[index];
    workset_wakes wakes = {0};
    sighting seen;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    seen = sight_of_scheduler(database);
    LWLockRelease(pgs_set->lock);
    if (seen.state == PGS_SCHEDULER_NONE)
    {
        drop_handle(&scheduler_handles[index]);
        return PGS_DUE_NEVER;
    }
    if (is_gone(scheduler_handles[index], seen, now))
    {
        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        if (is_same(sight_of_scheduler(database), seen))
            workset_scheduler_unseat(database, true, seen.state == PGS_SCHEDULER_STARTING, &wakes);
        LWLockRelease(pgs_set->lock);
        workset_wake_flush(&wakes);
        drop_handle(&scheduler_handles[index]);
        return PGS_DUE_NEVER;
    }
    return seen.state == PGS_SCHEDULER_STARTING ? now + USECS_PER_SEC : PGS_DUE_NEVER;
}

int64_t
pgs_launcher_housekeep(int64_t now)
{
    int64 next = PGS_DUE_NEVER;

    for (int32 i = 0; i < WORKSET_PLACES; i++)
    {
        int64 due = look_at_slot(i, now);

        next = Min(next, due);
    }
    for (int32 i = 0; i < pgs_set->database_count; i++)
    {
        int64 due = look_at_scheduler(i, now);

        next = Min(next, due);
    }
    return next;
}

int64_t
pgs_launcher_repeat_interrupts(int64_t now)
{
    int64 next = PGS_DUE_NEVER;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    for (int32 i = 0; i < WORKSET_PLACES; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
        if (slot->phase == WORKSET_PHASE_RUNNING && slot->interrupted && slot->pid != 0)
        {
            if (now >= slot->interrupted_at + USECS_PER_SEC)
            {
                slot->interrupted_at = now;
                if (slot->interrupts < WORKSET_INTERRUPTS_MAX)
                {
                    slot->interrupts++;
                    kill(slot->pid, SIGINT);
                }
                else
                    kill(slot->pid, SIGTERM);
            }
            next = Min(next, slot->interrupted_at + USECS_PER_SEC);
        }
        LWLockRelease(slot->step_lock);
    }
    LWLockRelease(pgs_set->lock);
    return next;
}

static bool
register_worker(
    const char *function, const char *title, int32 index, uint32 generation, BackgroundWorkerHandle **handle)
{
    BackgroundWorker worker;
    workset_ticket ticket = {.boot = pgs_set->boot, .generation = generation};
    MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    bool registered;

    pgs_worker_fill(&worker, &(pgs_worker) {
        .name = title,
        .type = title,
        .library = pgs_config.library,
        .function = function,
        .restart_seconds = -1,
        .database = true,
        .argument = (uint64) index,
        .extra = (const uint8_t *) &ticket,
        .extra_length = sizeof(ticket),
    });
    worker.bgw_notify_pid = MyProcPid;
    drop_handle(handle);
    registered = RegisterDynamicBackgroundWorker(&worker, handle);
    MemoryContextSwitchTo(caller);
    return registered;
}

/* Reserves a free slot for (database, role). */
static pgs_start
reserve(Oid oid, Oid role, workset_slot **out)
{
    workset_database *database = workset_database_get(oid);
    workset_queue *queue = database != NULL ? workset_queue_get(database, role) : NULL;

    if (database == NULL)
        return PGS_START_NO_DATABASE;
    if (queue == NULL)
        return PGS_START_NO_QUEUE;
    for (int32 i = 0; i < pgs_set->slot_count; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];
        LWLock *step_lock = slot->step_lock;

        if (slot->state != PGS_SLOT_FREE)
            continue;
        memset(slot, 0, sizeof(workset_slot));
        slot->step_lock = step_lock;
        slot->state = PGS_SLOT_STARTING;
        slot->generation = ++pgs_set->next_generation;
        slot->procno = WORKSET_NONE;
        slot->database = oid;
        slot->role = role;
        slot->queue = (int32) (queue - pgs_set->queues);
        slot->database_index = (int32) (database - pgs_databases);
        slot->since = GetCurrentTimestamp();
        queue->slots++;
        database->slots++;
        *out = slot;
        return PGS_START_DONE;
    }
    return PGS_START_NO_SLOT;
}

void
workset_slot_release(workset_slot *slot, workset_wakes *wakes)
{
    workset_database *database = &pgs_databases[slot->database_index];

    if (!workset_is_companion(slot))
        pgs_set->queues[slot->queue].slots--;
    database->slots--;
    slot->state = PGS_SLOT_FREE;
    if (!database->known && !database->sweep)
        workset_database_reclaim(database);
    workset_starved_retry(wakes);
}

static void
release(workset_slot *slot)
{
    workset_wakes wakes = {0};

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    workset_slot_release(slot, &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

pgs_start
workset_start_worker(workset_slot *slot)
{
    int32 index = (int32) (slot - pgs_set->slots);

    if (register_worker(pgs_config.executor_function, pgs_config.executor_title, index, slot->generation,
                        &slot_handles[index]))
        return PGS_START_DONE;
    release(slot);
    return PGS_START_NO_WORKER;
}

pgs_error *
pgs_launcher_start_executor(pgs_oid database, pgs_oid role, pgs_start *out)
PGS_GUARD_BEGIN
    workset_slot *slot = NULL;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    *out = reserve(database, role, &slot);
    LWLockRelease(pgs_set->lock);
    if (slot != NULL)
        *out = workset_start_worker(slot);
PGS_GUARD_END

/* Reserves the scheduler's place of a database. */
static pgs_start
reserve_scheduler(Oid oid, workset_database **out)
{
    workset_database *database = workset_database_make(oid);

    if (database == NULL)
        return PGS_START_NO_DATABASE;
    if (database->scheduler != PGS_SCHEDULER_NONE)
        return PGS_START_NOT_WANTED;
    database->generation = ++pgs_set->next_generation;
    database->scheduler = PGS_SCHEDULER_STARTING;
    database->since = GetCurrentTimestamp();
    *out = database;
    return PGS_START_DONE;
}

pgs_error *
pgs_launcher_start_scheduler(pgs_oid oid, pgs_start *out)
PGS_GUARD_BEGIN
    workset_database *database = NULL;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    *out = reserve_scheduler(oid, &database);
    LWLockRelease(pgs_set->lock);
    if (database != NULL)
    {
        int32 index = (int32) (database - pgs_databases);

        if (!register_worker(pgs_config.scheduler_function, pgs_config.scheduler_title, index, database->generation,
                             &scheduler_handles[index]))
        {
            LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
            database->scheduler = PGS_SCHEDULER_NONE;
            LWLockRelease(pgs_set->lock);
            *out = PGS_START_NO_WORKER;
        }
    }
PGS_GUARD_END

void
pgs_launcher_release(int32_t index, uint32_t generation)
{
    workset_slot *slot;

    if (index < 0 || index >= WORKSET_PLACES)
        return;
    slot = &pgs_set->slots[index];
    /* This process alone frees places. */
    if (slot->state != PGS_SLOT_EXITED || slot->generation != generation)
        return;
    release(slot);
    drop_handle(&slot_handles[index]);
}
