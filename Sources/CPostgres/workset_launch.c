/* SPDX-License-Identifier: PostgreSQL */
/* The launcher's hands: it registers workers, keeps their handles and finds out what became of them. */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guard.h"
#include "workset.h"

/* A start that an earlier launcher began and nobody finished. */
#define START_PATIENCE (INT64CONST(30) * USECS_PER_SEC)

static BackgroundWorkerHandle *slot_handles[2 * WORKSET_SLOTS_MAX];
static BackgroundWorkerHandle *scheduler_handles[WORKSET_DATABASES];

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

void
pgs_launcher_attach(void)
{
    before_shmem_exit(launcher_exit, (Datum) 0);
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    pgs_set->launcher_pid = MyProcPid;
    pgs_set->launcher_procno = workset_my_procno();
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
        pgs_set->queues[i].told = false;
    workset_prepared_note_databases();
    LWLockRelease(pgs_set->lock);
}

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

/* Whether the process that began in a place at `since` is no more, asked without holding a lock of ours. */
static bool
is_gone(BackgroundWorkerHandle *handle, int32 pid, TimestampTz since, int64 now)
{
    if (handle != NULL)
        return has_stopped(handle);
    if (pid != 0)
        return BackendPidGetProc(pid) == NULL;
    return now - since > START_PATIENCE;
}

static int64
look_at_slot(int32 index, int64 now)
{
    workset_slot *slot = &pgs_set->slots[index];
    BackgroundWorkerHandle *handle = slot_handles[index];
    workset_wakes wakes = {0}; /* only this process itself would be woken */
    uint32 generation;
    pgs_slot_state state;
    int32 pid;
    TimestampTz since;
    bool gone;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    state = slot->state;
    generation = slot->generation;
    pid = slot->pid;
    since = slot->since;
    LWLockRelease(pgs_set->lock);
    if (state == PGS_SLOT_FREE)
        return PGS_DUE_NEVER;

    gone = (state == PGS_SLOT_EXITED && handle == NULL) || is_gone(handle, pid, since, now);
    if (gone)
    {
        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        if (slot->generation == generation && slot->state != PGS_SLOT_FREE)
        {
            if (slot->state != PGS_SLOT_EXITED)
                workset_slot_exited(slot, &wakes);
            slot->gone = true;
        }
        LWLockRelease(pgs_set->lock);
        return PGS_DUE_NEVER;
    }
    return state == PGS_SLOT_STARTING || state == PGS_SLOT_EXITED ? now + USECS_PER_SEC : PGS_DUE_NEVER;
}

static int64
look_at_scheduler(int32 index, int64 now)
{
    workset_database *database = &pgs_set->databases[index];
    workset_wakes wakes = {0};
    pgs_scheduler_state state;
    uint32 generation;
    int32 pid;
    TimestampTz since;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    state = database->oid != InvalidOid ? database->scheduler : PGS_SCHEDULER_NONE;
    generation = database->generation;
    pid = database->pid;
    since = database->since;
    LWLockRelease(pgs_set->lock);
    if (state == PGS_SCHEDULER_NONE)
    {
        drop_handle(&scheduler_handles[index]);
        return PGS_DUE_NEVER;
    }
    if (is_gone(scheduler_handles[index], pid, since, now))
    {
        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        if (database->generation == generation && database->scheduler != PGS_SCHEDULER_NONE)
            workset_scheduler_unseat(database, true, state == PGS_SCHEDULER_STARTING, &wakes);
        LWLockRelease(pgs_set->lock);
        drop_handle(&scheduler_handles[index]);
        return PGS_DUE_NEVER;
    }
    return state == PGS_SCHEDULER_STARTING ? now + USECS_PER_SEC : PGS_DUE_NEVER;
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
    for (int32 i = 0; i < WORKSET_DATABASES; i++)
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

    memset(&worker, 0, sizeof(worker));
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_main_arg = UInt32GetDatum((uint32) index);
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, pgs_config.library, sizeof(worker.bgw_library_name));
    strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
    strlcpy(worker.bgw_name, title, sizeof(worker.bgw_name));
    strlcpy(worker.bgw_type, title, sizeof(worker.bgw_type));
    memcpy(worker.bgw_extra, &ticket, sizeof(ticket));
    drop_handle(handle);
    registered = RegisterDynamicBackgroundWorker(&worker, handle);
    MemoryContextSwitchTo(caller);
    return registered;
}

/* Reserves a free slot for (database, role); WORKSET_NONE when there is none. */
static int32
reserve(Oid oid, Oid role)
{
    workset_database *database = workset_database_get(oid);
    workset_queue *queue = database != NULL ? workset_queue_get(database, role) : NULL;

    for (int32 i = 0; queue != NULL && i < pgs_set->slot_count; i++)
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
        slot->database_index = (int32) (database - pgs_set->databases);
        slot->since = GetCurrentTimestamp();
        queue->slots++;
        database->slots++;
        return i;
    }
    return WORKSET_NONE;
}

void
workset_slot_release(workset_slot *slot)
{
    workset_database *database = &pgs_set->databases[slot->database_index];

    if (!workset_is_companion(slot))
        pgs_set->queues[slot->queue].slots--;
    database->slots--;
    slot->state = PGS_SLOT_FREE;
    if (!database->known && !database->sweep)
        workset_database_reclaim(database);
}

bool
workset_start_worker(workset_slot *slot)
{
    int32 index = (int32) (slot - pgs_set->slots);

    return register_worker(
        pgs_config.executor_function, pgs_config.executor_title, index, slot->generation, &slot_handles[index]);
}

void
workset_forget_worker(workset_slot *slot)
{
    drop_handle(&slot_handles[slot - pgs_set->slots]);
}

pgs_error *
pgs_launcher_start_executor(pgs_oid database, pgs_oid role, pgs_start *out)
PGS_GUARD_BEGIN
    int32 index;

    *out = PGS_START_NO_SLOT;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    index = reserve(database, role);
    LWLockRelease(pgs_set->lock);
    if (index != WORKSET_NONE)
    {
        *out = PGS_START_DONE;
        if (!workset_start_worker(&pgs_set->slots[index]))
        {
            LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
            workset_slot_release(&pgs_set->slots[index]);
            LWLockRelease(pgs_set->lock);
            *out = PGS_START_NO_WORKER;
        }
    }
PGS_GUARD_END

pgs_error *
pgs_launcher_start_scheduler(pgs_oid oid, pgs_start *out)
PGS_GUARD_BEGIN
    workset_database *database;
    uint32 generation = 0;
    int32 index = WORKSET_NONE;

    *out = PGS_START_NO_SLOT;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_get(oid);
    if (database != NULL && database->scheduler == PGS_SCHEDULER_NONE)
    {
        index = (int32) (database - pgs_set->databases);
        generation = ++pgs_set->next_generation;
        database->generation = generation;
        database->scheduler = PGS_SCHEDULER_STARTING;
        database->since = GetCurrentTimestamp();
    }
    LWLockRelease(pgs_set->lock);
    if (index != WORKSET_NONE)
    {
        *out = PGS_START_DONE;
        if (!register_worker(pgs_config.scheduler_function, pgs_config.scheduler_title, index, generation,
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
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (slot->state == PGS_SLOT_EXITED && slot->generation == generation)
        workset_slot_release(slot);
    LWLockRelease(pgs_set->lock);
    workset_forget_worker(slot);
}
