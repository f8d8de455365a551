/* SPDX-License-Identifier: PostgreSQL */
/* The worker's side of the exchange: it takes questions, learns which are not wanted any more, and answers. */
#include "guard.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/dsa.h"

#include "exchange.h"
#include "pgs_exchange.h"
#include "workset.h"

static dsa_area *area = NULL;
static bool is_worker = false;

static uint64
handle_of(exchange *ex, question *of)
{
    return ((uint64) of->generation << 32) | (uint64) (of - ex->questions + 1);
}

static question *
by_handle(exchange *ex, uint64 handle)
{
    uint32 index = (uint32) handle;
    question *of;

    if (index < 1 || index > (uint32) ex->count)
        return NULL;
    of = &ex->questions[index - 1];
    return of->state >= QUESTION_RUNNING && of->generation == (uint32) (handle >> 32) ? of : NULL;
}

/* The work looks at the tables again. */
static void
push(question *of)
{
    workset_wakes wakes = {0};
    workset_database *database;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_find(of->database);
    if (database != NULL)
        workset_push(database, of->role, of->item, of->part, 0, &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

/* What was asked of a worker that is gone is unknown from now on. In plain C: it runs at every kind of exit. */
static void
leave(int code, Datum argument)
{
    exchange *ex = exchange_shared();

    if (ex == NULL || !is_worker)
        return;
    is_worker = false;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    ex->worker_pid = 0;
    ex->queued = 0;
    ex->taken_back = 0;
    for (int32 i = 0; i < ex->count; i++)
    {
        question *of = &ex->questions[i];
        bool tell = of->state == QUESTION_QUEUED || of->state == QUESTION_RUNNING;
        question copy = *of;

        if (tell || of->state == QUESTION_TAKEN_BACK)
            exchange_free(of);
        if (tell)
            push(&copy);
    }
    LWLockRelease(ex->lock);
}

bool
pgs_exchange_attach(void)
{
    exchange *ex = exchange_shared();
    bool attached = false;

    if (ex == NULL || pgs_set == NULL)
        return false;
    area = exchange_area(ex);
    before_shmem_exit(leave, (Datum) 0);
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    if (ex->worker_pid == 0)
    {
        ex->worker_pid = MyProcPid;
        ex->worker_procno = workset_my_procno();
        attached = is_worker = true;
    }
    LWLockRelease(ex->lock);
    return attached;
}

pgs_error *
pgs_question_take(uint64_t *handle, pgs_oid *role, uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();
    question *first = NULL;

    *handle = 0;
    *bytes = NULL;
    *length = 0;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    if (ex->queued > 0)
        for (int32 i = 0; i < ex->count; i++)
        {
            question *of = &ex->questions[i];

            if (of->state == QUESTION_QUEUED && (first == NULL || of->order < first->order))
                first = of;
        }
    if (first != NULL && (*bytes = malloc(Max(first->length, 1))) != NULL)
    {
        memcpy(*bytes, dsa_get_address(area, first->bytes), first->length);
        *length = first->length;
        *role = first->role;
        *handle = handle_of(ex, first);
        memset(dsa_get_address(area, first->bytes), 0, first->length);
        first->state = QUESTION_RUNNING;
        ex->queued--;
    }
    LWLockRelease(ex->lock);
PGS_GUARD_END

uint64_t
pgs_question_next_taken_back(void)
{
    exchange *ex = exchange_shared();
    uint64 handle = 0;

    if (ex == NULL || ex->taken_back == 0)
        return 0;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < ex->count && handle == 0; i++)
    {
        question *of = &ex->questions[i];

        if (of->state != QUESTION_TAKEN_BACK)
            continue;
        handle = handle_of(ex, of);
        exchange_free(of);
        ex->taken_back--;
    }
    LWLockRelease(ex->lock);
    return handle;
}

pgs_error *
pgs_question_answer(uint64_t handle, const uint8_t *bytes, size_t length)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();
    dsa_pointer place = dsa_allocate_extended(area, Max(length, 1), DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
    question copy = {0};

    if (DsaPointerIsValid(place))
        memcpy(dsa_get_address(area, place), bytes, length);
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    {
        question *of = by_handle(ex, handle);

        if (of != NULL && of->state == QUESTION_RUNNING)
        {
            copy = *of;
            if (DsaPointerIsValid(place))
            {
                dsa_free(area, of->bytes);
                of->bytes = place;
                of->length = length;
                of->state = QUESTION_ANSWERED;
                place = InvalidDsaPointer;
            }
            else
                exchange_free(of); /* no memory for the answer: as if the worker had been lost */
        }
        else if (of != NULL && of->state == QUESTION_TAKEN_BACK)
        {
            exchange_free(of);
            ex->taken_back--;
        }
    }
    LWLockRelease(ex->lock);
    if (DsaPointerIsValid(place))
        dsa_free(area, place);
    if (copy.item != 0)
        push(&copy);
PGS_GUARD_END
