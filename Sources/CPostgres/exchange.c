/* SPDX-License-Identifier: PostgreSQL */
/* Questions to one worker, from the asking side: a table of fixed size, and a dynamic area for the bytes. */
#include "guard.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "pgs_entry.h"
#include "exchange.h"
#include "pgs_exchange.h"

static pgs_region *region = NULL;
static int32 question_count = 0;
static int32 limit_per_role = 0;
static int32 limit_per_group = 0;
static int64 limit_memory = 0;
static dsa_area *area = NULL;
static bool frees_at_exit = false;

exchange *
exchange_shared(void)
{
    exchange *found = region == NULL ? NULL : pgs_region_memory(region);

    if (found != NULL && found->lock == NULL)
    {
        /* The same value from whoever comes first. */
        found->count = question_count;
        found->lock = pgs_region_lock(region, 0);
    }
    return found;
}

pgs_error *
pgs_exchange_request(int32_t questions)
{
    question_count = questions;
    return pgs_region_request(
        "message_exchange", offsetof(exchange, questions) + mul_size(questions, sizeof(question)), 1, NULL,
        &region);
}

void
pgs_exchange_limit(int32_t per_role, int32_t per_group, int64_t memory)
{
    limit_per_role = per_role;
    limit_per_group = per_group;
    limit_memory = memory;
}

dsa_area *
exchange_area(exchange *ex)
{
    MemoryContext caller = CurrentMemoryContext;
    dsa_handle handle;

    if (area != NULL)
        return area;
    MemoryContextSwitchTo(TopMemoryContext);
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    handle = ex->area;
    if (handle == 0)
    {
        ex->tranche = LWLockNewTrancheId();
        LWLockRegisterTranche(ex->tranche, "message_exchange_area");
        area = dsa_create(ex->tranche);
        dsa_pin(area);
        ex->area = dsa_get_handle(area);
    }
    LWLockRelease(AddinShmemInitLock);
    if (handle != 0)
    {
        LWLockRegisterTranche(ex->tranche, "message_exchange_area");
        area = dsa_attach(handle);
    }
    dsa_pin_mapping(area);
    MemoryContextSwitchTo(caller);
    if (limit_memory > 0)
        dsa_set_size_limit(area, (size_t) limit_memory);
    return area;
}

void
exchange_free(question *of)
{
    if (DsaPointerIsValid(of->bytes) && area != NULL)
    {
        /* What was asked may hold secrets. */
        memset(dsa_get_address(area, of->bytes), 0, of->length);
        dsa_free(area, of->bytes);
    }
    of->bytes = InvalidDsaPointer;
    of->length = 0;
    of->generation++;
    of->state = QUESTION_FREE;
}

static void
wake_worker(exchange *ex)
{
    if (ex->worker_pid != 0)
        SetLatch(&ProcGlobal->allProcs[ex->worker_procno].procLatch);
}

static question *
find(exchange *ex, int64 item, int32 part, int64 number)
{
    for (int32 i = 0; i < ex->count; i++)
    {
        question *of = &ex->questions[i];

        if (of->state >= QUESTION_HELD && of->state <= QUESTION_ANSWERED && of->item == item && of->part == part
            && of->number == number && of->database == MyDatabaseId)
            return of;
    }
    return NULL;
}

/* What this process held goes with it: nobody was asked. In plain C: it runs at every kind of exit. */
static void
free_held(int code, Datum argument)
{
    exchange *ex = exchange_shared();

    if (ex == NULL || area == NULL)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < ex->count; i++)
        if (ex->questions[i].state == QUESTION_HELD && ex->questions[i].holder_pid == MyProcPid)
            exchange_free(&ex->questions[i]);
    LWLockRelease(ex->lock);
}

/* A free place within the limits, marked as being filled. */
static question *
reserve(exchange *ex, Oid role, uint32 group)
{
    question *free_place = NULL;
    int32 of_role = 0, of_group = 0;

    for (int32 i = 0; i < ex->count; i++)
    {
        question *of = &ex->questions[i];

        if (of->state == QUESTION_FREE)
        {
            if (free_place == NULL)
                free_place = of;
            continue;
        }
        if (of->state == QUESTION_ANSWERED)
            continue;
        of_role += of->role == role;
        of_group += group != 0 && of->group == group;
    }
    if ((limit_per_role > 0 && of_role >= limit_per_role) || (limit_per_group > 0 && of_group >= limit_per_group))
        return NULL;
    if (free_place != NULL)
        free_place->state = QUESTION_FILLING;
    return free_place;
}

pgs_error *
pgs_question_hold(pgs_oid role, int64_t item, int32_t part, int64_t number, uint32_t group, const uint8_t *bytes,
                 size_t length, pgs_question_result *result)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();
    question *of = NULL;
    bool has_worker = false;

    *result = PGS_QUESTION_NO_WORKER;
    if (ex != NULL)
    {
        exchange_area(ex);
        if (!frees_at_exit)
            before_shmem_exit(free_held, (Datum) 0);
        frees_at_exit = true;
        LWLockAcquire(ex->lock, LW_EXCLUSIVE);
        has_worker = ex->worker_pid != 0;
        if (has_worker)
            of = reserve(ex, role, group);
        LWLockRelease(ex->lock);
    }
    if (has_worker)
        *result = PGS_QUESTION_FULL;
    if (of != NULL)
    {
        dsa_pointer place = InvalidDsaPointer;

        PG_TRY();
        {
            place = dsa_allocate_extended(area, Max(length, 1), DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
        }
        PG_CATCH();
        {
            LWLockAcquire(ex->lock, LW_EXCLUSIVE);
            of->state = QUESTION_FREE;
            LWLockRelease(ex->lock);
            PG_RE_THROW();
        }
        PG_END_TRY();
        if (DsaPointerIsValid(place))
            memcpy(dsa_get_address(area, place), bytes, length);
        LWLockAcquire(ex->lock, LW_EXCLUSIVE);
        if (!DsaPointerIsValid(place) || ex->worker_pid == 0)
        {
            of->bytes = place;
            of->length = length;
            exchange_free(of);
        }
        else
        {
            of->database = MyDatabaseId;
            of->role = role;
            of->item = item;
            of->part = part;
            of->number = number;
            of->group = group;
            of->bytes = place;
            of->length = length;
            of->holder_pid = MyProcPid;
            of->state = QUESTION_HELD;
            ex->order++;
            *result = PGS_QUESTION_ASKED;
        }
        LWLockRelease(ex->lock);
    }
PGS_GUARD_END

void
pgs_question_release(int64_t item, int32_t part, int64_t number)
{
    exchange *ex = exchange_shared();
    question *of;

    if (ex == NULL)
        return;
    LWLockAcquire(ex->lock, LW_EXCLUSIVE);
    of = find(ex, item, part, number);
    if (of != NULL && of->state == QUESTION_HELD)
    {
        of->order = ++ex->order;
        of->state = QUESTION_QUEUED;
        ex->queued++;
        wake_worker(ex);
    }
    LWLockRelease(ex->lock);
}

pgs_error *
pgs_question_look(int64_t item, int32_t part, int64_t number, pgs_question_state *state, uint8_t **answer,
                  size_t *length)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();
    question *of = NULL;

    *state = PGS_QUESTION_UNKNOWN;
    *answer = NULL;
    *length = 0;
    if (ex != NULL)
    {
        exchange_area(ex);
        LWLockAcquire(ex->lock, LW_SHARED);
        of = find(ex, item, part, number);
        if (of != NULL)
            *state = of->state == QUESTION_ANSWERED ? PGS_QUESTION_ANSWERED : PGS_QUESTION_WAITING;
        if (*state == PGS_QUESTION_ANSWERED)
        {
            *answer = malloc(Max(of->length, 1));
            if (*answer != NULL)
            {
                memcpy(*answer, dsa_get_address(area, of->bytes), of->length);
                *length = of->length;
            }
        }
        LWLockRelease(ex->lock);
        if (*state == PGS_QUESTION_ANSWERED && *answer == NULL)
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
PGS_GUARD_END

void
pgs_bytes_free(uint8_t *bytes)
{
    free(bytes);
}

pgs_error *
pgs_question_take_back(int64_t item, int32_t part)
PGS_GUARD_BEGIN
    exchange *ex = exchange_shared();

    if (ex != NULL && ex->order > 0)
    {
        exchange_area(ex);
        LWLockAcquire(ex->lock, LW_EXCLUSIVE);
        for (int32 i = 0; i < ex->count; i++)
        {
            question *of = &ex->questions[i];

            if (of->state < QUESTION_HELD || of->item != item || (part >= 0 && of->part != part)
                || of->database != MyDatabaseId)
                continue;
            if (of->state == QUESTION_RUNNING)
            {
                of->state = QUESTION_TAKEN_BACK;
                ex->taken_back++;
                wake_worker(ex);
            }
            else if (of->state != QUESTION_TAKEN_BACK)
            {
                ex->queued -= of->state == QUESTION_QUEUED;
                exchange_free(of);
            }
        }
        LWLockRelease(ex->lock);
    }
PGS_GUARD_END

