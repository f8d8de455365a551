/* SPDX-License-Identifier: PostgreSQL */
/* Places of the exchange: who gets one, and how it is given back. Nothing in here can fail. */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "exchange.h"
#include "workset.h"

static party *
role_of(const question *of)
{
    return &exchange_at.parties[of->role_party];
}

static void
count_place(exchange *ex, question *of, int32 by)
{
    ex->places += by;
    role_of(of)->places += by;
    if (of->host_party != EXCHANGE_NONE)
        exchange_at.parties[of->host_party].places += by;
}

void
exchange_leave_host(exchange *ex, question *of)
{
    if (of->host_party == EXCHANGE_NONE)
        return;
    exchange_at.parties[of->host_party].places--;
    exchange_leave_party(ex, of->host_party);
    of->host_party = EXCHANGE_NONE;
}

/* ---------------------------------------------------------------- giving back */

void
exchange_free(exchange *ex, question *of, exchange_after *after)
{
    switch (of->state)
    {
        case QUESTION_WAITING:
            exchange_delist(&role_of(of)->waiting, of);
            ex->waiting--;
            break;
        case QUESTION_RESERVED:
            ex->reserved--;
            break;
        case QUESTION_QUEUED:
            exchange_delist(&role_of(of)->queued, of);
            ex->queued--;
            break;
        case QUESTION_TAKEN_BACK:
            exchange_delist(&ex->taken_back, of);
            break;
        default:
            break;
    }
    if (of->is_stuck)
    {
        of->is_stuck = false;
        role_of(of)->stuck--;
        ex->stuck--;
    }
    if (of->state != QUESTION_WAITING)
        count_place(ex, of, -1);
    if (of->first_block != EXCHANGE_NONE && of->blocks > EXCHANGE_WIPE_MAX && after->wipe_count < EXCHANGE_BATCH)
    {
        of->state = QUESTION_WIPING;
        after->wipes[after->wipe_count++] = exchange_index(of);
        return;
    }
    after->wake_worker = after->wake_worker || (of->pool == EXCHANGE_ANSWERS && ex->stuck > 0);
    if (of->first_block != EXCHANGE_NONE)
        exchange_wipe(of);
    exchange_give_entry(ex, of);
}

void
exchange_drop(exchange *ex, question *of, exchange_after *after)
{
    switch (of->state)
    {
        case QUESTION_FILLING:
        case QUESTION_ANSWERING:
            of->unwanted = true;
            break;
        case QUESTION_RUNNING:
            of->state = QUESTION_TAKEN_BACK;
            exchange_enlist(&ex->taken_back, of);
            after->wake_worker = true;
            break;
        case QUESTION_ANSWERED:
            if (of->readers > 0)
                of->unwanted = true;
            else
                exchange_free(ex, of, after);
            break;
        case QUESTION_FREE:
        case QUESTION_TAKEN_BACK:
        case QUESTION_WIPING:
            break;
        default:
            exchange_free(ex, of, after);
            break;
    }
}

/* ---------------------------------------------------------------- giving out */

static bool
fits(exchange *ex, const question *of)
{
    const party *role = role_of(of);
    int32 available = ex->place_count - ex->places;

    if (available <= 0 || role->places >= available)
        return false;
    if (ex->limit_per_role > 0 && role->places >= ex->limit_per_role)
        return false;
    if (of->host_party != EXCHANGE_NONE && ex->limit_per_host > 0
        && exchange_at.parties[of->host_party].places >= ex->limit_per_host)
        return false;
    return exchange_has_blocks(ex, role, EXCHANGE_QUESTIONS, of->wanted);
}

static question *
first_fitting(exchange *ex, const party *role)
{
    for (int32 index = role->waiting.head; index != EXCHANGE_NONE; index = exchange_at.entries[index].next)
        if (fits(ex, &exchange_at.entries[index]))
            return &exchange_at.entries[index];
    return NULL;
}

static void
reserve(exchange *ex, question *of)
{
    exchange_delist(&role_of(of)->waiting, of);
    ex->waiting--;
    count_place(ex, of, 1);
    exchange_charge(ex, of, EXCHANGE_QUESTIONS, of->wanted);
    of->state = QUESTION_RESERVED;
    ex->reserved++;
}

void
exchange_push_later(exchange_after *after, const question *of)
{
    after->pushes[after->push_count].database = of->database;
    after->pushes[after->push_count].role = of->role;
    after->pushes[after->push_count].item = of->item;
    after->pushes[after->push_count].part = of->part;
    after->push_count++;
}

/* Somebody else asks for it: he is told, and has some time to come. */
static void
announce(exchange *ex, question *of, exchange_after *after)
{
    of->until = GetCurrentTimestamp() + EXCHANGE_RESERVED_MICROSECONDS;
    if (ex->expires == 0 || of->until < ex->expires)
    {
        ex->expires = of->until;
        after->wake_worker = true;
    }
    exchange_push_later(after, of);
}

void
exchange_grant(exchange *ex, const question *silent, exchange_after *after)
{
    int32 passed = EXCHANGE_NONE;

    after->sweep = after->sweep || ex->wants_sweep;
    ex->wants_sweep = false;
    while (ex->worker_pid != 0 && ex->waiting > 0 && after->push_count < EXCHANGE_BATCH)
    {
        int32 turn = ex->grant_turn;
        question *of = turn == passed ? NULL : first_fitting(ex, &exchange_at.parties[turn]);

        if (turn == passed)
            break;
        ex->grant_turn = exchange_at.parties[turn].next;
        if (of == NULL)
        {
            if (passed == EXCHANGE_NONE)
                passed = turn;
            continue;
        }
        passed = EXCHANGE_NONE;
        reserve(ex, of);
        if (of == silent)
            of->until = GetCurrentTimestamp() + EXCHANGE_RESERVED_MICROSECONDS;
        else
            announce(ex, of, after);
    }
}

/* ---------------------------------------------------------------- without the lock */

/* Whose work it is looks at the tables again. */
static void
push_all(const exchange_after *after, workset_wakes *wakes)
{
    if (pgs_set == NULL || (after->push_count == 0 && !after->sweep))
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < after->push_count; i++)
    {
        workset_database *database = workset_database_get(after->pushes[i].database);

        if (database != NULL)
            workset_push(database, after->pushes[i].role, after->pushes[i].item, after->pushes[i].part, 0, wakes);
        else
            workset_wake_launcher(wakes);
    }
    if (after->sweep)
        workset_sweep_everywhere(wakes);
    LWLockRelease(pgs_set->lock);
}

void
exchange_leave(exchange *ex, exchange_after *after)
{
    for (;;)
    {
        workset_wakes wakes = {0};
        int32 wiped = after->wipe_count;
        bool is_full = after->push_count == EXCHANGE_BATCH;
        int32 worker = after->wake_worker && ex->worker_pid != 0 ? ex->worker_procno : -1;
        int32 wipes[EXCHANGE_BATCH];

        LWLockRelease(ex->lock);
        memcpy(wipes, after->wipes, sizeof(int32) * wiped);
        for (int32 i = 0; i < wiped; i++)
            exchange_wipe(&exchange_at.entries[wipes[i]]);
        push_all(after, &wakes);
        workset_wake(&wakes, worker);
        workset_wake_flush(&wakes);
        memset(after, 0, offsetof(exchange_after, wipes));
        after->push_count = 0;
        after->wake_worker = after->sweep = false;
        if (wiped == 0 && !is_full)
            return;
        LWLockAcquire(ex->lock, LW_EXCLUSIVE);
        for (int32 i = 0; i < wiped; i++)
            exchange_give_entry(ex, &exchange_at.entries[wipes[i]]);
        after->wake_worker = wiped > 0 && ex->stuck > 0;
        exchange_grant(ex, NULL, after);
    }
}

void
exchange_drop_work(Oid database, Oid role, int64 item, int32 part, uint64 ticket)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    int32 index, next;

    if (ex == NULL || ((volatile exchange *) ex)->used == 0)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    for (index = exchange_next_of(ex, database, item, EXCHANGE_NONE); index != EXCHANGE_NONE; index = next)
    {
        question *of = &exchange_at.entries[index];

        next = exchange_next_of(ex, database, item, index);
        if ((part < 0 || of->part == part) && of->ticket <= ticket && (role == InvalidOid || of->role == role))
            exchange_drop(ex, of, &after);
    }
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
}

bool
exchange_knows(int64 item, int32 part, uint64 *ticket)
{
    exchange *ex = exchange_shared();
    int32 index = EXCHANGE_NONE;

    /* Who asked for this work before has let go of its lock since: nothing that he asked can be missed. */
    if (ex == NULL || ((volatile exchange *) ex)->used == 0)
        return false;
    LWLockAcquire(ex->lock, LW_SHARED);
    *ticket = ex->ticket;
    do
        index = exchange_next_of(ex, MyDatabaseId, item, index);
    while (index != EXCHANGE_NONE && part >= 0 && exchange_at.entries[index].part != part);
    LWLockRelease(ex->lock);
    return index != EXCHANGE_NONE;
}

void
exchange_forget_database(Oid database)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};

    if (ex == NULL || ((volatile exchange *) ex)->used == 0)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < ex->entry_count; i++)
        if (exchange_at.entries[i].state != QUESTION_FREE && exchange_at.entries[i].database == database)
            exchange_drop(ex, &exchange_at.entries[i], &after);
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
}
