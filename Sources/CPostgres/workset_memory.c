/* SPDX-License-Identifier: PostgreSQL */
/* The workset's place in shared memory, and the latches of the processes in it. */
#include "postgres.h"

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "workset.h"

workset *pgs_set = NULL;
workset_entry *pgs_entries = NULL;
int32 *pgs_buckets = NULL;
pgs_workset_config pgs_config;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;
static int32 wanted_slots = 1;
static int32 wanted_entries = WORKSET_ENTRIES_MIN;
/* Lives in the postmaster, so that it outlasts shared memory, which a crash wipes. */
static int32 boots = 0;

static int32
bucket_count(void)
{
    return (int32) pg_nextpower2_32((uint32) wanted_entries);
}

static Size
size_wanted(void)
{
    Size size = MAXALIGN(sizeof(workset));

    size = add_size(size, MAXALIGN(mul_size((Size) bucket_count(), sizeof(int32))));
    return add_size(size, mul_size((Size) wanted_entries, sizeof(workset_entry)));
}

static void
request(void)
{
    if (previous_request != NULL)
        previous_request();

    wanted_slots = pgs_config.slots != NULL ? pgs_config.slots() : 0;
    if (wanted_slots <= 0)
        wanted_slots = Min(64, Max(1, (max_worker_processes - 2) / 2));
    wanted_slots = Min(wanted_slots, WORKSET_SLOTS_MAX);
    wanted_entries = pgs_config.entries != NULL ? pgs_config.entries() : 0;
    wanted_entries = Min(Max(wanted_entries, WORKSET_ENTRIES_MIN), 64 * 1024 * 1024);

    RequestAddinShmemSpace(size_wanted());
    RequestNamedLWLockTranche(pgs_config.name, 1 + 2 * wanted_slots);
}

/* Whether the server is starting after a crash or an immediate stop. */
static bool
stopped_uncleanly(void)
{
    bool is_intact = false;
    ControlFileData *control = get_controlfile(DataDir, &is_intact);
    bool result = is_intact && control->state == DB_IN_PRODUCTION;

    pfree(control);
    return result;
}

static void
initialise(workset *set)
{
    LWLockPadded *locks = GetNamedLWLockTranche(pgs_config.name);

    memset(set, 0, sizeof(workset));
    set->lock = &locks[0].lock;
    set->boot = boots;
    set->unclean = boots > 1 || stopped_uncleanly();
    set->booted_at = GetCurrentTimestamp();
    set->launcher_left = set->booted_at;
    set->launcher_procno = WORKSET_NONE;
    for (int32 i = 0; i < WORKSET_SETTINGS; i++)
        pg_atomic_init_u32(&set->settings_generations[i], 1);
    set->slot_count = wanted_slots;
    set->entry_count = wanted_entries;
    set->bucket_count = bucket_count();
    for (int32 i = 0; i < 2 * wanted_slots; i++)
    {
        set->slots[i].procno = WORKSET_NONE;
        set->slots[i].step_lock = &locks[i + 1].lock;
    }
    for (int32 i = 0; i < set->bucket_count; i++)
        pgs_buckets[i] = WORKSET_NONE;
    for (int32 i = 0; i < wanted_entries; i++)
    {
        memset(&pgs_entries[i], 0, sizeof(workset_entry));
        pgs_entries[i].next = i + 1 < wanted_entries ? i + 1 : WORKSET_NONE;
    }
    set->patience = pgs_config.patience != NULL ? pgs_config.patience() : 0;
    set->free_head = 0;
    set->free_count = wanted_entries;
}

static void
startup(void)
{
    bool found = false;
    workset *set;

    if (previous_startup != NULL)
        previous_startup();

    boots++;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    set = ShmemInitStruct(pgs_config.name, size_wanted(), &found);
    pgs_buckets = (int32 *) ((char *) set + MAXALIGN(sizeof(workset)));
    pgs_entries = (workset_entry *) ((char *) pgs_buckets + MAXALIGN((Size) bucket_count() * sizeof(int32)));
    if (!found)
        initialise(set);
    pgs_set = set;
    LWLockRelease(AddinShmemInitLock);
}

bool
pgs_workset_install(const pgs_workset_config *config)
{
    if (IsBinaryUpgrade || !process_shared_preload_libraries_in_progress)
        return false;
    pgs_config = *config;
    previous_request = shmem_request_hook;
    shmem_request_hook = request;
    previous_startup = shmem_startup_hook;
    shmem_startup_hook = startup;
    workset_commit_list_install();
    workset_utility_install();
    return true;
}

bool
pgs_workset_is_ready(void)
{
    return pgs_set != NULL;
}

int32_t
pgs_boot_number(void)
{
    return pgs_set != NULL ? pgs_set->boot : 0;
}

bool
pgs_was_crash_restart(int64_t *at)
{
    *at = pgs_set != NULL ? pgs_set->booted_at : 0;
    return pgs_set != NULL && pgs_set->unclean;
}

int32
workset_my_procno(void)
{
#if PG_VERSION_NUM >= 170000
    return MyProcNumber;
#else
    return MyProc != NULL ? MyProc->pgprocno : WORKSET_NONE;
#endif
}

void
workset_wake(workset_wakes *wakes, int32 procno)
{
    if (procno < 0)
        return;
    for (int32 i = 0; i < wakes->count; i++)
    {
        if (wakes->procno[i] == procno)
            return;
    }
    if (wakes->count == lengthof(wakes->procno))
        workset_wake_flush(wakes);
    wakes->procno[wakes->count++] = procno;
}

void
workset_wake_launcher(workset_wakes *wakes)
{
    workset_wake(wakes, pgs_set->launcher_procno);
}

void
workset_wake_scheduler(workset_wakes *wakes, workset_database *database)
{
    if (database->scheduler == PGS_SCHEDULER_NONE)
        workset_wake_launcher(wakes);
    else
        workset_wake(wakes, database->procno);
}

/* A latch that belongs to another process by now is set for nothing, which is harmless. */
void
workset_wake_flush(workset_wakes *wakes)
{
    for (int32 i = 0; i < wakes->count; i++)
    {
        int32 procno = wakes->procno[i];

        if (procno < (int32) ProcGlobal->allProcCount)
            SetLatch(&ProcGlobal->allProcs[procno].procLatch);
    }
    wakes->count = 0;
}
