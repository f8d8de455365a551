/* SPDX-License-Identifier: PostgreSQL */
/* The workset's place in shared memory, and the latches of the processes in it. */
#include "postgres.h"

#include "access/twophase.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guard.h"
#include "workset.h"

workset *pgs_set = NULL;
workset_database *pgs_databases = NULL;
workset_prepared *pgs_prepared_notes = NULL;
workset_entry *pgs_entries = NULL;
int32 *pgs_buckets = NULL;
pgs_workset_config pgs_config;

static pgs_region *region = NULL;
static int32 wanted_slots = 1;
static int32 wanted_entries = WORKSET_ENTRIES_MIN;
static int32 wanted_databases = WORKSET_DATABASES_USUAL;
/* Lives in the postmaster, so that it outlasts shared memory, which a crash wipes. */
static int32 boots = 0;

static int32
bucket_count(void)
{
    return (int32) pg_nextpower2_32((uint32) wanted_entries);
}

static void
decide_sizes(void)
{
    wanted_slots = pgs_config.slots != NULL ? pgs_config.slots() : 0;
    if (wanted_slots <= 0)
        wanted_slots = Min(64, Max(1, (max_worker_processes - 2) / 2));
    wanted_slots = Min(wanted_slots, WORKSET_SLOTS_MAX);
    wanted_entries = pgs_config.entries != NULL ? pgs_config.entries() : 0;
    wanted_entries = Min(Max(wanted_entries, WORKSET_ENTRIES_MIN), 64 * 1024 * 1024);
    wanted_databases = pgs_config.databases != NULL ? pgs_config.databases() : WORKSET_DATABASES_USUAL;
    wanted_databases = Min(Max(wanted_databases, 1), WORKSET_DATABASES_MAX);
}

static pgs_error *
measure(Size *out)
PGS_GUARD_BEGIN
    Size size = MAXALIGN(sizeof(workset));

    decide_sizes();
    size = add_size(size, MAXALIGN(mul_size((Size) wanted_databases, sizeof(workset_database))));
    size = add_size(size, MAXALIGN(mul_size((Size) max_prepared_xacts, sizeof(workset_prepared))));
    size = add_size(size, MAXALIGN(mul_size((Size) bucket_count(), sizeof(int32))));
    *out = add_size(size, mul_size((Size) wanted_entries, sizeof(workset_entry)));
PGS_GUARD_END

/* Whether the server is starting after a crash or an immediate stop. */
static bool
stopped_uncleanly(void)
{
    bool is_intact = false;
    ControlFileData *control = get_controlfile(DataDir, &is_intact);
    DBState state = control->state;

    pfree(control);
    /* Recovery too may have been stopped by a crash: it goes on with what the one before it began. */
    return is_intact
        && (state == DB_IN_PRODUCTION || state == DB_IN_CRASH_RECOVERY || state == DB_IN_ARCHIVE_RECOVERY);
}

/* Runs whenever the server makes its shared memory: at its start and after each crash. All is zero. */
static void
initialise(void *memory)
{
    workset *set = memory;

    pgs_set = set;
    pgs_databases = (workset_database *) ((char *) set + MAXALIGN(sizeof(workset)));
    pgs_prepared_notes = (workset_prepared *) ((char *) pgs_databases
                                               + MAXALIGN((Size) wanted_databases * sizeof(workset_database)));
    pgs_buckets = (int32 *) ((char *) pgs_prepared_notes
                             + MAXALIGN((Size) max_prepared_xacts * sizeof(workset_prepared)));
    pgs_entries = (workset_entry *) ((char *) pgs_buckets + MAXALIGN((Size) bucket_count() * sizeof(int32)));

    boots++;
    set->lock = pgs_region_lock(region, 0);
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
    set->database_count = wanted_databases;
    for (int32 i = 0; i < 2 * wanted_slots; i++)
    {
        set->slots[i].procno = WORKSET_NONE;
        set->slots[i].step_lock = pgs_region_lock(region, 1 + i);
    }
    for (int32 i = 0; i < set->bucket_count; i++)
        pgs_buckets[i] = WORKSET_NONE;
    for (int32 i = 0; i < wanted_entries; i++)
        pgs_entries[i].next = i + 1 < wanted_entries ? i + 1 : WORKSET_NONE;
    set->patience = pgs_config.patience != NULL ? pgs_config.patience() : 0;
    set->free_head = 0;
    set->free_count = wanted_entries;
}

static pgs_error *
request(void)
{
    Size size = 0;
    pgs_error *error = measure(&size);

    return error != NULL
        ? error : pgs_region_request(pgs_config.name, size, 1 + 2 * wanted_slots, initialise, &region);
}

pgs_error *
pgs_workset_install(const pgs_workset_config *config, bool *out)
{
    pgs_error *error;

    *out = !IsBinaryUpgrade && process_shared_preload_libraries_in_progress;
    if (!*out)
        return NULL;
    pgs_config = *config;
    error = request();
    if (error == NULL)
        error = workset_commit_list_install();
    if (error == NULL)
        error = workset_holds_install();
    if (error == NULL)
        workset_utility_install();
    return error;
}

bool
pgs_workset_is_ready(void)
{
    return pgs_set != NULL;
}

bool
pgs_was_crash_restart(int64_t *at)
{
    *at = pgs_set != NULL ? pgs_set->booted_at : 0;
    return pgs_set != NULL && pgs_set->unclean;
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

void
workset_wake_flush(workset_wakes *wakes)
{
    for (int32 i = 0; i < wakes->count; i++)
        (void) pgs_latch_set_number(wakes->procno[i]);
    wakes->count = 0;
}
