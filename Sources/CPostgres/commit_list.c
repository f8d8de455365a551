/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a transaction will tell the workset once it has committed. Collected in memory that lives until after the
 * commit, delivered when the transaction's locks are released and its catalog changes are known to all: whoever is
 * woken earlier could run yesterday's function. From the commit record on nothing here may fail, so delivery is plain
 * C over reserved memory.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "exchange.h"
#include "guard.h"
#include "workset.h"

#define ENTRIES_MAX 100000

typedef struct commit_entry {
    int64 item;
    int32 part;
    Oid role;
    SubTransactionId subtransaction;
    uint64 ticket; /* of a drop: what is asked later is meant to stay */
} commit_entry;

typedef struct commit_array {
    commit_entry *entries; /* in TopTransactionContext */
    int32 count;
    int32 capacity;
    bool overflow;
} commit_array;

static struct commit_list {
    commit_array works;
    commit_array interrupts;
    commit_array drops;
    TimestampTz due;
    bool has_due;
    bool sweep;
    bool everywhere; /* every database of ours is to be swept */
    Oid opened;      /* a database that was closed, or a template */
    bool opened_more; /* others too */
    uint64 settings; /* bits: the buckets of those whose settings changed */
    bool any;
    bool committed;
} list;

static void
forget_list(void)
{
    memset(&list, 0, sizeof(list));
}

static void
require_preloaded(void)
{
    if (pgs_set == NULL)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("the extension's library is not loaded by the server"),
                 errhint("Add it to \"shared_preload_libraries\" and restart the server.")));
    list.any = true;
}

static void
append(commit_array *array, Oid role, int64 item, int32 part, uint64 ticket)
{
    if (array->count >= ENTRIES_MAX)
    {
        array->overflow = true;
        return;
    }
    if (array->count == array->capacity)
    {
        int32 capacity = array->capacity == 0 ? 16 : Min(array->capacity * 2, ENTRIES_MAX);
        Size size = (Size) capacity * sizeof(commit_entry);

        if (array->entries == NULL)
            array->entries = MemoryContextAlloc(TopTransactionContext, size);
        else
            array->entries = repalloc(array->entries, size);
        array->capacity = capacity;
    }
    array->entries[array->count++] = (commit_entry) {
        .item = item,
        .part = part,
        .role = role,
        .subtransaction = GetCurrentSubTransactionId(),
        .ticket = ticket,
    };
}

pgs_error *
pgs_work_at_commit(pgs_oid role, int64_t item, int32_t part)
PGS_GUARD_BEGIN
    require_preloaded();
    append(&list.works, role, item, part, 0);
PGS_GUARD_END

pgs_error *
pgs_interrupt_at_commit(pgs_oid role, int64_t item)
PGS_GUARD_BEGIN
    require_preloaded();
    append(&list.works, role, item, -1, 0);
    append(&list.interrupts, role, item, -1, 0);
PGS_GUARD_END

pgs_error *
pgs_interrupt_part_at_commit(pgs_oid role, int64_t item, int32_t part)
PGS_GUARD_BEGIN
    require_preloaded();
    append(&list.interrupts, role, item, part, 0);
PGS_GUARD_END

pgs_error *
pgs_question_drop_at_commit(int64_t item, int32_t part)
PGS_GUARD_BEGIN
    uint64 ticket = 0;

    if (exchange_knows(item, part, &ticket))
    {
        require_preloaded();
        append(&list.drops, InvalidOid, item, part, ticket);
    }
PGS_GUARD_END

pgs_error *
pgs_timer_at_commit(int64_t due)
PGS_GUARD_BEGIN
    require_preloaded();
    list.due = list.has_due ? Min(list.due, due) : due;
    list.has_due = true;
PGS_GUARD_END

pgs_error *
pgs_sweep_at_commit(void)
PGS_GUARD_BEGIN
    require_preloaded();
    list.sweep = true;
PGS_GUARD_END

pgs_error *
pgs_sweep_everywhere_at_commit(void)
PGS_GUARD_BEGIN
    require_preloaded();
    list.everywhere = true;
PGS_GUARD_END

pgs_error *
pgs_look_into_at_commit(pgs_oid database)
PGS_GUARD_BEGIN
    require_preloaded();
    list.opened_more = list.opened_more || (OidIsValid(list.opened) && list.opened != database);
    list.opened = database;
PGS_GUARD_END

pgs_error *
pgs_settings_changed_at_commit(pgs_oid of)
PGS_GUARD_BEGIN
    require_preloaded();
    list.settings |= UINT64CONST(1) << workset_settings_bucket(of);
PGS_GUARD_END

/* ---- After the commit: nothing below may fail ---- */

/* The row of this database; NULL when there is no place for it, and then the launcher looks through all of them. */
static workset_database *
own_database(workset_wakes *wakes)
{
    workset_database *database = workset_database_get(MyDatabaseId);

    if (database == NULL)
        workset_wake_launcher(wakes);
    return database;
}

static void
deliver_works(workset_wakes *wakes)
{
    int32 done = 0;

    while (done < list.works.count)
    {
        int32 end = Min(done + WORKSET_BATCH, list.works.count);
        workset_database *database;

        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        database = own_database(wakes);
        for (; done < end; done++)
        {
            const commit_entry *entry = &list.works.entries[done];

            if (database != NULL)
                (void) workset_push(database, entry->role, entry->item, entry->part, 0, wakes);
        }
        LWLockRelease(pgs_set->lock);
        workset_wake_flush(wakes);
    }
}

/* Whether any step was running that the entry is about. */
static bool
interrupt_matching(const commit_entry *entry)
{
    bool any = false;

    for (int32 i = 0; i < pgs_set->slot_count; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->has_work && slot->database == MyDatabaseId && slot->item == entry->item)
            any = workset_interrupt_part(slot, entry->part) || any;
    }
    return any;
}

static void
deliver_interrupts(workset_wakes *wakes)
{
    bool any = false;

    for (int32 done = 0; done < list.interrupts.count;)
    {
        int32 end = Min(done + WORKSET_BATCH, list.interrupts.count);

        LWLockAcquire(pgs_set->lock, LW_SHARED);
        for (; done < end; done++)
            any = interrupt_matching(&list.interrupts.entries[done]) || any;
        LWLockRelease(pgs_set->lock);
    }
    /* It repeats what a step swallows. */
    if (any)
        workset_wake_launcher(wakes);
}

/* An item that is stopped as a whole asks for nothing any more, later questions included. */
static void
deliver_drops(void)
{
    for (int32 i = 0; i < list.interrupts.count; i++)
        if (list.interrupts.entries[i].part < 0)
            exchange_drop_work(MyDatabaseId, InvalidOid, list.interrupts.entries[i].item, -1, PG_UINT64_MAX);
    for (int32 i = 0; i < list.drops.count; i++)
        exchange_drop_work(MyDatabaseId, InvalidOid, list.drops.entries[i].item, list.drops.entries[i].part,
                           list.drops.entries[i].ticket);
}

static void
deliver_wishes(workset_wakes *wakes)
{
    /* What did not fit is found in the tables; whoever finds a request interrupts the step it is about. */
    bool sweep = list.sweep || list.works.overflow || list.interrupts.overflow;

    if (list.settings != 0)
        workset_settings_changed(list.settings, wakes);
    if (list.everywhere)
    {
        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        workset_sweep_everywhere(wakes);
        LWLockRelease(pgs_set->lock);
    }
    if (OidIsValid(list.opened))
    {
        workset_database *database;

        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        workset_bar_lifted(list.opened);
        database = workset_database_get(list.opened);
        if (database != NULL)
            workset_want_sweep(database, wakes);
        pgs_set->lost_more = pgs_set->lost_more || list.opened_more;
        if (database == NULL || list.opened_more)
            workset_wake_launcher(wakes);
        LWLockRelease(pgs_set->lock);
    }
    if (list.has_due || sweep)
    {
        workset_database *database;

        LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
        database = own_database(wakes);
        if (database != NULL && list.has_due)
            workset_hint_due(database, list.due, wakes);
        if (database != NULL && sweep)
            workset_want_sweep(database, wakes);
        LWLockRelease(pgs_set->lock);
    }
}

static void
deliver(void)
{
    workset_wakes wakes = {0};

    deliver_interrupts(&wakes);
    deliver_drops();
    deliver_works(&wakes);
    deliver_wishes(&wakes);
    workset_wake_flush(&wakes);
}

static void
after_locks(void *argument)
{
    if (!list.committed)
        return;
    list.committed = false;
    deliver();
    forget_list();
}

static void
at_transaction_event(pgs_xact_event event, void *argument)
{
    switch (event)
    {
        case PGS_XACT_COMMIT:
            list.committed = list.any;
            break;
        case PGS_XACT_PREPARE:
            if (list.any)
                workset_prepared_note(list.settings, list.everywhere);
            forget_list();
            break;
        case PGS_XACT_ABORT:
            forget_list();
            break;
        default:
            break;
    }
}

static void
truncate_to(commit_array *array, SubTransactionId subtransaction)
{
    while (array->count > 0 && array->entries[array->count - 1].subtransaction >= subtransaction)
        array->count--;
}

/* What a subtransaction and those inside it collected is at the end of the list: later ones have higher numbers. */
static void
at_subtransaction_event(pgs_subxact_event event, uint32_t mine, uint32_t parent, void *argument)
{
    if (event != PGS_SUBXACT_ABORT || !list.any)
        return;
    truncate_to(&list.works, mine);
    truncate_to(&list.interrupts, mine);
    truncate_to(&list.drops, mine);
}

pgs_error *
workset_commit_list_install(void)
{
    pgs_error *error = pgs_on_xact(at_transaction_event, NULL);

    if (error == NULL)
        error = pgs_on_subxact(at_subtransaction_event, NULL);
    return error != NULL ? error : pgs_on_locks_released(after_locks, NULL);
}
