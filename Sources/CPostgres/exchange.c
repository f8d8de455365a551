/* SPDX-License-Identifier: PostgreSQL */
/* The exchange from the asking side: a place, the question, a look at the answer. */
#include "guard.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "exchange.h"

static bool frees_at_exit = false;

static bool
is_free(const question *of)
{
    return of->state == QUESTION_WAITING || of->state == QUESTION_RESERVED;
}

/* The wish of this work, whichever process had it first. */
static question *
find_wish(exchange *ex, int64 item, int32 part)
{
    int32 index = EXCHANGE_NONE;

    while ((index = exchange_next_of(ex, MyDatabaseId, item, index)) != EXCHANGE_NONE)
        if (exchange_at.entries[index].part == part && is_free(&exchange_at.entries[index]))
            return &exchange_at.entries[index];
    return NULL;
}

/*
 * The question that was asked. Two processes may be at the same work and hold the same question: the one that goes on
 * with it lets go of it, the other gives it back.
 */
static question *
find(exchange *ex, int64 item, int32 part, int64 number)
{
    int32 index = EXCHANGE_NONE;
    question *found = NULL;

    while ((index = exchange_next_of(ex, MyDatabaseId, item, index)) != EXCHANGE_NONE)
    {
        question *of = &exchange_at.entries[index];

        if (of->part == part && of->number == number && of->state >= QUESTION_HELD
            && of->state != QUESTION_TAKEN_BACK && (found == NULL || of->state > found->state))
            found = of;
    }
    return found;
}

static question *
find_held(exchange *ex, int64 item, int32 part, int64 number)
{
    int32 index = EXCHANGE_NONE;

    while ((index = exchange_next_of(ex, MyDatabaseId, item, index)) != EXCHANGE_NONE)
    {
        question *of = &exchange_at.entries[index];

        if (of->part == part && of->number == number && of->state == QUESTION_HELD && of->holder_pid == MyProcPid)
            return of;
    }
    return NULL;
}

/*
 * What this process held goes with it: nobody was asked. It has the work in hand, so that it holds one question at
 * most, and the work is put back by whoever cleans up after it. In plain C: it runs at every kind of exit.
 */
static void
free_held(int code, Datum argument)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};

    if (ex == NULL)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < ex->entry_count; i++)
    {
        question *of = &exchange_at.entries[i];

        if ((of->state != QUESTION_HELD && of->state != QUESTION_FILLING) || of->holder_pid != MyProcPid)
            continue;
        if (after.push_count < EXCHANGE_BATCH)
            exchange_push_later(&after, of);
        exchange_free(ex, of, &after);
    }
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
}

/*
 * The lock is held. A place for the question, this process's to fill; NULL when it has to wait: it has an entry then,
 * or the tables are swept when there is one.
 */
static question *
take_place(exchange *ex, Oid role, int64 item, int32 part, uint32 group, int32 blocks, exchange_after *after)
{
    question *of = find_wish(ex, item, part);

    if (of != NULL && (of->wanted != blocks || of->group != group))
    {
        /* What is asked has changed since. */
        exchange_free(ex, of, after);
        of = NULL;
    }
    if (of == NULL)
        of = exchange_wish(ex, role, item, part, group, blocks);
    if (of == NULL)
        return NULL;
    of->ticket = ++ex->ticket;
    if (of->state == QUESTION_WAITING)
        exchange_grant(ex, of, after);
    if (of->state != QUESTION_RESERVED)
        return NULL;
    ex->reserved--;
    of->state = QUESTION_FILLING;
    of->holder_pid = MyProcPid;
    return of;
}

static pgs_question_result
hold(exchange *ex, pgs_oid role, const question *as, const uint8_t *bytes, size_t length)
{
    exchange_after after = {0};
    question *of;

    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = take_place(ex, role, as->item, as->part, as->group, exchange_blocks_for(length), &after);
    if (of != NULL)
    {
        of->number = as->number;
        exchange_link_blocks(ex, of, length);
    }
    exchange_leave(ex, &after);
    if (of == NULL)
        return PGS_QUESTION_MUST_WAIT;
    exchange_write(of, 0, bytes, length);

    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    /* Dropped meanwhile: nobody looks at it again, and what is released then is not found. */
    if (of->unwanted)
    {
        exchange_free(ex, of, &after);
        exchange_grant(ex, NULL, &after);
    }
    else
        of->state = QUESTION_HELD;
    exchange_leave(ex, &after);
    return PGS_QUESTION_ASKED;
}

pgs_error *
pgs_question_hold(pgs_oid role, int64_t item, int32_t part, int64_t number, uint32_t group, const uint8_t *bytes,
                  size_t length, pgs_question_result *result)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();
    question as = {.item = item, .part = part, .number = number, .group = group};

    if (ex == NULL)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the extension's library is not loaded by the server")));
    if (!frees_at_exit)
        before_shmem_exit(free_held, (Datum) 0);
    frees_at_exit = true;
    if (length > (Size) ex->pool_blocks * EXCHANGE_BLOCK)
        *result = PGS_QUESTION_TOO_LARGE;
    else
        *result = hold(ex, role, &as, bytes, length);
PGS_GUARD_END

void
pgs_question_release(int64_t item, int32_t part, int64_t number)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    question *of;

    if (ex == NULL)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = find_held(ex, item, part, number);
    if (of != NULL)
    {
        of->state = QUESTION_QUEUED;
        exchange_enlist(&exchange_at.parties[of->role_party].queued, of);
        ex->queued++;
        after.wake_worker = true;
    }
    exchange_leave(ex, &after);
}

void
pgs_question_give_back(int64_t item, int32_t part, int64_t number)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    question *of;

    if (ex == NULL)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = find_held(ex, item, part, number);
    if (of != NULL)
    {
        /* Who saw it meanwhile believes that an answer will come. */
        exchange_push_later(&after, of);
        exchange_free(ex, of, &after);
    }
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
}

/* The answer, kept from going away until it is copied. */
static question *
begin_reading(exchange *ex, int64 item, int32 part, int64 number, pgs_question_state *state)
{
    question *of;

    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = find(ex, item, part, number);
    if (of != NULL)
        *state = of->state == QUESTION_ANSWERED ? PGS_QUESTION_ANSWERED : PGS_QUESTION_WAITING;
    if (of != NULL && of->state == QUESTION_ANSWERED)
        of->readers++;
    else
        of = NULL;
    LWLockRelease(ex->lock);
    return of;
}

static void
end_reading(exchange *ex, question *of)
{
    exchange_after after = {0};

    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    if (--of->readers == 0 && of->unwanted)
    {
        exchange_free(ex, of, &after);
        exchange_grant(ex, NULL, &after);
    }
    exchange_leave(ex, &after);
}

pgs_error *
pgs_question_look(int64_t item, int32_t part, int64_t number, pgs_question_state *state, uint8_t **answer,
                  size_t *length)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();
    question *of;

    *state = PGS_QUESTION_UNKNOWN;
    *answer = NULL;
    *length = 0;
    of = ex == NULL ? NULL : begin_reading(ex, item, part, number, state);
    if (of != NULL)
    {
        *answer = malloc(Max(of->length, 1));
        if (*answer != NULL)
        {
            exchange_read(of, *answer);
            *length = of->length;
        }
        end_reading(ex, of);
        if (*answer == NULL)
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
PGS_GUARD_END

void
pgs_bytes_free(uint8_t *bytes)
{
    free(bytes);
}

void
pgs_question_drop(pgs_oid role, int64_t item)
{
    exchange_drop_work(MyDatabaseId, role, item, -1, PG_UINT64_MAX);
}
