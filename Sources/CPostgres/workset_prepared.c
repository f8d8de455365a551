/* SPDX-License-Identifier: PostgreSQL */
/*
 * What prepared transactions will tell the workset: their list goes with the process that prepares, and another one
 * commits them. Then the database is swept, and what changed for all is told to all.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "pgs_companion.h"
#include "workset.h"

/*
 * Asked of the array of running transactions itself, under its lock, since this must neither raise nor allocate: the
 * dummy process of a transaction that has ended keeps its number, but has no place there any more.
 */
static bool
is_prepared(const PGPROC *proc)
{
    return TransactionIdIsValid(proc->xid) && proc->pgxactoff >= 0
        && (uint32) proc->pgxactoff < ProcGlobal->allProcCount && ProcGlobal->xids[proc->pgxactoff] == proc->xid;
}

bool
pgs_prepared_may_exist(void)
{
    bool found = false;

    if (max_prepared_xacts == 0)
        return false;
    LWLockAcquire(ProcArrayLock, LW_SHARED);
    for (int32 i = 0; i < max_prepared_xacts && !found; i++)
        found = PreparedXactProcs[i].databaseId == MyDatabaseId && is_prepared(&PreparedXactProcs[i]);
    LWLockRelease(ProcArrayLock);
    return found;
}

/* ---- What is remembered of each ---- */

static void
set_note(int32 index, workset_prepared note)
{
    workset_prepared *place = &pgs_prepared_notes[index];

    pgs_set->prepared_notes += (TransactionIdIsValid(note.xid) ? 1 : 0) - (TransactionIdIsValid(place->xid) ? 1 : 0);
    *place = note;
}

/* What those that have ended had to tell; who was rolled back is not told apart. */
static void
take_notes(uint64 *settings, bool *everywhere)
{
    LWLockAcquire(ProcArrayLock, LW_SHARED);
    for (int32 i = 0; i < max_prepared_xacts; i++)
    {
        workset_prepared *note = &pgs_prepared_notes[i];

        if (!TransactionIdIsValid(note->xid)
            || (note->xid == PreparedXactProcs[i].xid && is_prepared(&PreparedXactProcs[i])))
            continue;
        *settings |= note->settings;
        *everywhere = *everywhere || note->everywhere;
        set_note(i, (workset_prepared) {.xid = InvalidTransactionId});
    }
    LWLockRelease(ProcArrayLock);
}

static void
tell(workset_wakes *wakes)
{
    uint64 settings = 0;
    bool everywhere = false;

    if (pgs_set->prepared_notes == 0)
        return;
    take_notes(&settings, &everywhere);
    if (everywhere)
        workset_sweep_everywhere(wakes);
    workset_settings_changed(settings, wakes);
}

void
workset_prepared_note(uint64 settings, bool everywhere)
{
    TransactionId mine = GetTopTransactionIdIfAny();
    workset_wakes wakes = {0};
    workset_database *database;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_get(MyDatabaseId);
    if (database != NULL)
        database->prepared++;
    else
        workset_wake_launcher(&wakes);
    /* The place may still have the note of one that has ended this very moment. */
    tell(&wakes);
    for (int32 i = 0; i < max_prepared_xacts && (settings != 0 || everywhere); i++)
    {
        if (PreparedXactProcs[i].xid == mine)
            set_note(i, (workset_prepared) {.xid = mine, .settings = settings, .everywhere = everywhere});
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

void
workset_prepared_note_all(bool is_first)
{
    LWLockAcquire(ProcArrayLock, LW_SHARED);
    for (int32 i = 0; i < max_prepared_xacts; i++)
    {
        const PGPROC *proc = &PreparedXactProcs[i];
        workset_database *database;

        if (!is_prepared(proc))
            continue;
        if (is_first)
            set_note(i, (workset_prepared) {.xid = proc->xid, .settings = WORKSET_SETTINGS_ALL, .everywhere = true});
        database = workset_database_get(proc->databaseId);
        if (database != NULL)
            database->sweep = true;
    }
    LWLockRelease(ProcArrayLock);
}

/* ---- Afterwards ---- */

static void
tell_all(void)
{
    workset_wakes wakes = {0};

    if (((volatile workset *) pgs_set)->prepared_notes == 0)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    tell(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

static void
sweep_here(bool committed)
{
    workset_wakes wakes = {0};
    workset_database *database;
    bool unknown;
    int32 prepared;
    bool are_left;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    database = workset_database_find(MyDatabaseId);
    unknown = database == NULL;
    prepared = unknown ? 1 : database->prepared;
    LWLockRelease(pgs_set->lock);
    /* Outside of transactions the catalogs cannot be asked; then a look too many is made. */
    if (prepared == 0
        || (unknown && IsTransactionState() && !OidIsValid(get_extension_oid(pgs_config.extension, true))))
        return;

    are_left = pgs_prepared_may_exist();
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_get(MyDatabaseId);
    if (database == NULL)
        workset_wake_launcher(&wakes);
    else
    {
        if (committed)
            workset_want_sweep(database, &wakes);
        /* Whoever prepares is seen first and counts afterwards: then the count has changed. */
        if (!are_left && database->prepared == prepared)
            database->prepared = 0;
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

void
workset_prepared_ended(bool committed)
{
    tell_all();
    sweep_here(committed);
}
