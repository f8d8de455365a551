/* SPDX-License-Identifier: PostgreSQL */
/* The worker's side of the exchange: it takes questions, learns which are not wanted any more, and answers. */
#include "guard.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "exchange.h"
#include "workset.h"

static bool is_worker = false;

static uint64
handle_of(const question *of)
{
    return ((uint64) of->generation << 32) | (uint64) (exchange_index(of) + 1);
}

static question *
by_handle(exchange *ex, uint64 handle)
{
    uint32 index = (uint32) handle;
    question *of;

    if (index < 1 || index > (uint32) ex->entry_count)
        return NULL;
    of = &exchange_at.entries[index - 1];
    if (of->generation != (uint32) (handle >> 32)
        || (of->state != QUESTION_RUNNING && of->state != QUESTION_TAKEN_BACK && of->state != QUESTION_ANSWERING))
        return NULL;
    return of;
}

/*
 * What this worker had in hand is unknown from now on; what is queued is the next one's. In plain C: it runs at every
 * kind of exit.
 */
static void
leave(int code, Datum argument)
{
    exchange *ex = exchange_shared();
    bool again = is_worker;

    is_worker = false;
    while (again)
    {
        exchange_after after = {0};

        again = false;
        LWLockAcquire(ex->lock, LW_EXCLUSIVE);
        ex->worker_pid = 0;
        for (int32 i = 0; i < ex->entry_count && !again; i++)
        {
            question *of = &exchange_at.entries[i];

            if (of->state != QUESTION_RUNNING && of->state != QUESTION_ANSWERING
                && of->state != QUESTION_TAKEN_BACK)
                continue;
            if (of->state != QUESTION_TAKEN_BACK)
                exchange_push_later(&after, of);
            exchange_free(ex, of, &after);
            again = after.push_count == EXCHANGE_BATCH || after.wipe_count == EXCHANGE_BATCH;
        }
        exchange_leave(ex, &after);
    }
}

pgs_error *
pgs_exchange_attach(bool *attached)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();

    *attached = false;
    if (ex != NULL && pgs_set != NULL)
    {
        before_shmem_exit(leave, (Datum) 0);
        LWLockAcquire(ex->lock, LW_EXCLUSIVE);
        if (ex->worker_pid == 0)
        {
            ex->worker_pid = MyProcPid;
            ex->worker_procno = workset_my_procno();
            *attached = is_worker = true;
        }
        LWLockRelease(ex->lock);
    }
PGS_GUARD_END

void
pgs_exchange_limit(int32_t per_role, int32_t per_group)
{
    exchange *ex = exchange_shared();

    if (ex == NULL || !is_worker)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    ex->limit_per_role = per_role;
    ex->limit_per_host = per_group;
    LWLockRelease(ex->lock);
}

bool
pgs_question_is_queued(void)
{
    exchange *ex = exchange_shared();

    return ex != NULL && ((volatile exchange *) ex)->queued > 0;
}

/* The lock is held. The next role's first question that may be taken. */
static question *
next_queued(exchange *ex, bool (*has_room)(void *context, uint32_t role, size_t length), void *context)
{
    int32 first = ex->take_turn;

    if (ex->queued == 0)
        return NULL;
    do
    {
        const party *role = &exchange_at.parties[ex->take_turn];
        int32 index = role->queued.head;

        ex->take_turn = role->next;
        if (index != EXCHANGE_NONE && role->stuck == 0
            && has_room(context, role->key, exchange_at.entries[index].length))
            return &exchange_at.entries[index];
    } while (ex->take_turn != first);
    return NULL;
}

void
pgs_question_take(bool (*has_room)(void *context, uint32_t role, size_t length), void *context, uint64_t *handle,
                  pgs_oid *role, uint8_t **bytes, size_t *length)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    question *of;

    *handle = 0;
    *bytes = NULL;
    *length = 0;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = next_queued(ex, has_room, context);
    if (of != NULL && (*bytes = malloc(Max(of->length, 1))) == NULL)
        of = NULL;
    if (of != NULL)
    {
        exchange_delist(&exchange_at.parties[of->role_party].queued, of);
        ex->queued--;
        of->state = QUESTION_RUNNING;
        *handle = handle_of(of);
        *role = of->role;
        *length = of->length;
    }
    LWLockRelease(ex->lock);
    if (of == NULL)
        return;
    exchange_read(of, *bytes);
    exchange_wipe(of);
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    exchange_uncharge(ex, of);
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
}

uint64_t
pgs_question_next_taken_back(void)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    uint64 handle = 0;

    if (ex == NULL || ((volatile exchange *) ex)->taken_back.head == EXCHANGE_NONE)
        return 0;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    if (ex->taken_back.head != EXCHANGE_NONE)
    {
        question *of = &exchange_at.entries[ex->taken_back.head];

        handle = handle_of(of);
        exchange_free(ex, of, &after);
        exchange_grant(ex, NULL, &after);
    }
    exchange_leave(ex, &after);
    return handle;
}

/* The lock is held. Whether there is room for the answer; who has to wait holds his role's questions up. */
static bool
make_room(exchange *ex, question *of, int32 blocks)
{
    party *role = &exchange_at.parties[of->role_party];
    bool has = exchange_has_blocks(ex, role, EXCHANGE_ANSWERS, blocks);

    if (of->is_stuck == has)
    {
        of->is_stuck = !has;
        role->stuck += has ? -1 : 1;
        ex->stuck += has ? -1 : 1;
    }
    return has;
}

pgs_answer_result
pgs_question_answer(uint64_t handle, const pgs_bytes *pieces, int32_t count)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    Size length = 0, at = 0;
    question *of;
    bool fits;

    for (int32 i = 0; i < count; i++)
        length += pieces[i].length;
    if (length > (Size) ex->pool_blocks * EXCHANGE_BLOCK)
        return PGS_ANSWER_TOO_LARGE;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = by_handle(ex, handle);
    if (of != NULL && of->state == QUESTION_TAKEN_BACK)
    {
        exchange_free(ex, of, &after);
        of = NULL;
    }
    fits = of != NULL && make_room(ex, of, exchange_blocks_for(length));
    if (fits)
    {
        exchange_charge(ex, of, EXCHANGE_ANSWERS, exchange_blocks_for(length));
        exchange_link_blocks(ex, of, length);
        of->state = QUESTION_ANSWERING;
    }
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
    if (!fits)
        return of == NULL ? PGS_ANSWER_TAKEN : PGS_ANSWER_MUST_WAIT;

    for (int32 i = 0; i < count; i++)
    {
        exchange_write(of, at, pieces[i].data, pieces[i].length);
        at += pieces[i].length;
    }
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    if (of->unwanted)
        exchange_free(ex, of, &after);
    else
    {
        of->state = QUESTION_ANSWERED;
        exchange_leave_host(ex, of);
        exchange_push_later(&after, of);
    }
    exchange_grant(ex, NULL, &after);
    exchange_leave(ex, &after);
    return PGS_ANSWER_TAKEN;
}

int64_t
pgs_exchange_upkeep(void)
{
    exchange *ex = exchange_shared();
    exchange_after after = {0};
    TimestampTz now = GetCurrentTimestamp();
    TimestampTz expires;

    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    if (ex->reserved == 0)
        ex->expires = 0;
    else if (ex->expires <= now)
    {
        ex->expires = 0;
        for (int32 i = 0; i < ex->entry_count; i++)
        {
            question *of = &exchange_at.entries[i];

            if (of->state != QUESTION_RESERVED)
                continue;
            if (of->until <= now)
                exchange_free(ex, of, &after);
            else if (ex->expires == 0 || of->until < ex->expires)
                ex->expires = of->until;
        }
    }
    exchange_grant(ex, NULL, &after);
    expires = ex->expires;
    exchange_leave(ex, &after);
    return expires == 0 ? -1 : Max(expires - now, 0) / 1000 + 1;
}
