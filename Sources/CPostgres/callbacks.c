/* SPDX-License-Identifier: PostgreSQL */
/*
 * What happens at the end of transactions and of the process, and the library's own start. An error after the commit
 * record is a PANIC: those callbacks are C that neither raises nor allocates, and the trap guard is off.
 */
#include "guard.h"

#include "access/xact.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "pgs_entry.h"

typedef struct registration
{
    void (*function)(void);     /* of the type that the event says */
    void *argument;
} registration;

static registration *
remember(void *function, void *argument)
{
    registration *entry = MemoryContextAlloc(TopMemoryContext, sizeof(registration));

    entry->function = (void (*)(void)) function;
    entry->argument = argument;
    return entry;
}

static void
xact_event(XactEvent event, void *argument)
{
    registration *entry = argument;
    pgs_xact_callback callback = (pgs_xact_callback) entry->function;
    int armed = pgs_trap_armed;

    pgs_trap_armed = 0;
    switch (event)
    {
        case XACT_EVENT_PRE_COMMIT:
            callback(PGS_XACT_PRE_COMMIT, entry->argument);
            break;
        case XACT_EVENT_COMMIT:
            callback(PGS_XACT_COMMIT, entry->argument);
            break;
        case XACT_EVENT_ABORT:
            callback(PGS_XACT_ABORT, entry->argument);
            break;
        case XACT_EVENT_PRE_PREPARE:
            callback(PGS_XACT_PRE_PREPARE, entry->argument);
            break;
        case XACT_EVENT_PREPARE:
            callback(PGS_XACT_PREPARE, entry->argument);
            break;
        case XACT_EVENT_PARALLEL_COMMIT:
        case XACT_EVENT_PARALLEL_ABORT:
        case XACT_EVENT_PARALLEL_PRE_COMMIT:
            break;
    }
    pgs_trap_armed = armed;
}

static void
subxact_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
    registration *entry = argument;
    pgs_subxact_callback callback = (pgs_subxact_callback) entry->function;
    int armed = pgs_trap_armed;

    pgs_trap_armed = 0;
    if (event == SUBXACT_EVENT_START_SUB)
        callback(PGS_SUBXACT_START, mine, parent, entry->argument);
    else if (event == SUBXACT_EVENT_COMMIT_SUB)
        callback(PGS_SUBXACT_COMMIT, mine, parent, entry->argument);
    else if (event == SUBXACT_EVENT_ABORT_SUB)
        callback(PGS_SUBXACT_ABORT, mine, parent, entry->argument);
    pgs_trap_armed = armed;
}

pgs_error *
pgs_on_xact(pgs_xact_callback callback, void *argument)
PGS_GUARD_BEGIN
    RegisterXactCallback(xact_event, remember(callback, argument));
PGS_GUARD_END

pgs_error *
pgs_on_subxact(pgs_subxact_callback callback, void *argument)
PGS_GUARD_BEGIN
    RegisterSubXactCallback(subxact_event, remember(callback, argument));
PGS_GUARD_END

/* ---------------------------------------------------------------- after the locks are gone */

/* The phase comes once per resource owner of the transaction, children first; only the top one's counts. */
static void
locks_released(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *argument)
{
    registration *entry = argument;

    if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_commit || !is_top_level || TopTransactionResourceOwner == NULL ||
        CurrentResourceOwner != TopTransactionResourceOwner)
        return;
    ((void (*)(void *)) entry->function)(entry->argument);
}

pgs_error *
pgs_on_locks_released(void (*callback)(void *), void *argument)
PGS_GUARD_BEGIN
    RegisterResourceReleaseCallback(locks_released, remember(callback, argument));
PGS_GUARD_END

/* ---------------------------------------------------------------- the end of the process */

typedef struct exit_registration
{
    void (*callback)(int32_t code, uintptr_t argument);
    uintptr_t argument;
} exit_registration;

static void
process_exit(int code, Datum argument)
{
    exit_registration *entry = (exit_registration *) DatumGetPointer(argument);

    pgs_trap_armed = 0;
    entry->callback(code, entry->argument);
}

pgs_error *
pgs_before_exit(void (*callback)(int32_t code, uintptr_t argument), uintptr_t argument)
PGS_GUARD_BEGIN
    exit_registration *entry = MemoryContextAlloc(TopMemoryContext, sizeof(exit_registration));

    entry->callback = callback;
    entry->argument = argument;
    before_shmem_exit(process_exit, PointerGetDatum(entry));
PGS_GUARD_END

/* ---------------------------------------------------------------- the library's start */

static void
settle_at_abort(XactEvent event, void *argument)
{
    if (event == XACT_EVENT_ABORT)
        pgs_error_settled();
}

static void
settle_at_rollback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
    if (event == SUBXACT_EVENT_ABORT_SUB)
        pgs_error_settled();
}

void
pgs_library_init(const char *extension)
{
    pgs_trap_install(extension);
    RegisterXactCallback(settle_at_abort, NULL);
    RegisterSubXactCallback(settle_at_rollback, NULL);
}
