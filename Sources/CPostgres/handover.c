/* SPDX-License-Identifier: PostgreSQL */
/* The caller's end of a handover: places, the worker, the answer; see pgs_handover.h. */
#include "guard.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "blocking.h"
#include "handover.h"
#include "worker.h"

/* Roles that wait for a place; who finds no room here waits all the same, but nobody makes way for it. */
#define WAITING_MAX 256

typedef struct handover_board
{
    ConditionVariable freed;
    Oid places[PGS_HANDOVER_PLACES_MAX]; /* the role that has it */
    Oid waiting[WAITING_MAX];
} handover_board;

static pgs_handover_config config;
static pgs_region *region = NULL;
static int my_place = -1;
static int my_waiting = -1;
static dsm_segment *mapped = NULL;
static handover_segment *sent = NULL;
static BackgroundWorkerHandle *worker = NULL;
static int32 worker_pid = 0;

static handover_board *
board(void)
{
    return region != NULL ? pgs_region_memory(region) : NULL;
}

static LWLock *
board_lock(void)
{
    return pgs_region_lock(region, 0);
}

static void
initialise(void *memory)
{
    ConditionVariableInit(&((handover_board *) memory)->freed);
}

pgs_error *
pgs_handover_install(const pgs_handover_config *given)
{
    config = *given;
    return pgs_region_request(config.name, sizeof(handover_board), 1, initialise, &region);
}

/* ---------------------------------------------------------------- places */

/* The index of `value` among the first `count`, or -1. */
static int
index_of(const Oid *values, int count, Oid value)
{
    for (int i = 0; i < count; i++)
    {
        if (values[i] == value)
            return i;
    }
    return -1;
}

static bool
others_wait(const handover_board *at, Oid role)
{
    for (int i = 0; i < WAITING_MAX; i++)
    {
        if (at->waiting[i] != InvalidOid && at->waiting[i] != role)
            return true;
    }
    return false;
}

/* Takes a free place; the last one only when nobody of another role waits, or this role has none yet. */
static bool
take_place(handover_board *at, int places, Oid role)
{
    int free = index_of(at->places, places, InvalidOid);
    int mine = 0;

    for (int i = 0; i < places; i++)
        mine += at->places[i] == role;
    if (free < 0 || (mine > 0 && mine >= places - 1 && others_wait(at, role)))
        return false;
    at->places[free] = role;
    my_place = free;
    return true;
}

static void
give_back(handover_board *at, int *place, Oid *places)
{
    if (*place < 0 || at == NULL)
        return;
    LWLockAcquire(board_lock(), LW_EXCLUSIVE);
    places[*place] = InvalidOid;
    *place = -1;
    LWLockRelease(board_lock());
    ConditionVariableBroadcast(&at->freed);
}

/* Who hangs up without waiting for the answer does not want the work done either, unless it is all but done. */
static void
call_off(void)
{
    if (worker != NULL
        && (handover_advance(sent, HANDOVER_SENT, HANDOVER_CALLED_OFF)
            || handover_advance(sent, HANDOVER_TAKEN, HANDOVER_CALLED_OFF)))
        TerminateBackgroundWorker(worker);
}

static void
leave_at_exit(int code, Datum argument)
{
    handover_board *at = board();

    call_off();
    give_back(at, &my_waiting, at->waiting);
    give_back(at, &my_place, at->places);
}

static bool
wait_for_place(handover_board *at, int places, TimestampTz deadline)
{
    Oid role = GetUserId();

    ConditionVariablePrepareToSleep(&at->freed);
    while (true)
    {
        bool taken;
        long remaining;

        LWLockAcquire(board_lock(), LW_EXCLUSIVE);
        taken = take_place(at, places, role);
        if (!taken && my_waiting < 0)
        {
            my_waiting = index_of(at->waiting, WAITING_MAX, InvalidOid);
            if (my_waiting >= 0)
                at->waiting[my_waiting] = role;
        }
        LWLockRelease(board_lock());
        if (taken)
            return true;
        remaining = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
        if (remaining <= 0)
            return false;
        (void) ConditionVariableTimedSleep(&at->freed, remaining, pgs_wait_event("HandoverPlace"));
    }
}

pgs_error *
pgs_handover_enter(int32_t places, int64_t milliseconds, bool *out)
PGS_GUARD_BEGIN
    static bool registered = false;
    handover_board *at = board();

    *out = false;
    if (at == NULL)
        elog(ERROR, "shared memory \"%s\" is not there", config.name);
    if (my_place >= 0 || sent != NULL)
        elog(ERROR, "something is being handed over already");
    if (!registered)
    {
        before_shmem_exit(leave_at_exit, (Datum) 0);
        registered = true;
    }
    places = Max(1, Min(places, PGS_HANDOVER_PLACES_MAX));
    PG_TRY();
    {
        *out = wait_for_place(at, places, GetCurrentTimestamp() + milliseconds * 1000);
    }
    PG_FINALLY();
    {
        ConditionVariableCancelSleep();
        give_back(at, &my_waiting, at->waiting);
    }
    PG_END_TRY();
PGS_GUARD_END

/* ---------------------------------------------------------------- the call */

static void
fill_segment(const uint8_t *request, size_t length)
{
    memset(sent, 0, offsetof(handover_segment, answer));
    sent->ticket = pg_prng_uint64(&pg_global_prng_state);
    sent->database = MyDatabaseId;
    sent->role = GetUserId();
    sent->session_user = GetSessionUserId();
    sent->caller = pgs_latch_own_number();
    pg_atomic_init_u32(&sent->stage, HANDOVER_SENT);
    sent->request_length = length;
    memcpy(sent->request, request, length);
}

pgs_error *
pgs_handover_send(const uint8_t *request, size_t length, bool *out)
PGS_GUARD_BEGIN
    BackgroundWorker entry;

    MemoryContextSwitchTo(TopMemoryContext);
    if (mapped == NULL)
    {
        mapped = dsm_create(add_size(offsetof(handover_segment, request), length), 0);
        /* It is given back by pgs_handover_leave alone. */
        dsm_pin_mapping(mapped);
        sent = dsm_segment_address(mapped);
        fill_segment(request, length);
    }
    pgs_worker_fill(&entry, &(pgs_worker) {
        .name = config.title,
        .type = config.title,
        .library = config.library,
        .function = config.function,
        .restart_seconds = -1,
        .database = true,
        .argument = dsm_segment_handle(mapped),
        .extra = (const uint8_t *) &sent->ticket,
        .extra_length = sizeof(sent->ticket),
    });
    entry.bgw_notify_pid = MyProcPid;
    *out = RegisterDynamicBackgroundWorker(&entry, &worker);
PGS_GUARD_END_RESTORING

pgs_error *
pgs_handover_wait(int64_t milliseconds, pgs_handover_state *out)
PGS_GUARD_BEGIN
    pid_t pid = 0;
    handover_stage stage;
    BgwHandleStatus status;

    if (pg_atomic_read_u32(&sent->stage) != HANDOVER_ANSWERED)
    {
        (void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) milliseconds,
                         pgs_wait_event("Handover"));
        ResetLatch(MyLatch);
    }
    /* In this order: what has stopped may have answered before. */
    status = GetBackgroundWorkerPid(worker, &pid);
    pg_read_barrier();
    stage = pg_atomic_read_u32(&sent->stage);
    worker_pid = status == BGWH_STARTED ? (int32) pid : 0;
    if (stage == HANDOVER_ANSWERED)
        *out = PGS_HANDOVER_ANSWERED;
    else if (status == BGWH_STOPPED || status == BGWH_POSTMASTER_DIED)
        *out = PGS_HANDOVER_DIED;
    else
        *out = stage == HANDOVER_COMMITTING ? PGS_HANDOVER_COMMITTING : PGS_HANDOVER_WAITING;
PGS_GUARD_END

pgs_error *
pgs_handover_is_blocked(bool *out)
PGS_GUARD_BEGIN
    *out = worker_pid != 0 && pgs_blocks(MyProcPid, worker_pid);
PGS_GUARD_END

const uint8_t *
pgs_handover_answer(size_t *length)
{
    *length = sent != NULL ? sent->answer_length : 0;
    return sent != NULL ? sent->answer : NULL;
}

static pgs_error *
hang_up(void)
PGS_GUARD_BEGIN_UNCHECKED
    call_off();
    if (mapped != NULL)
        dsm_detach(mapped);
PGS_GUARD_END_UNCHECKED

void
pgs_handover_leave(void)
{
    pgs_error *error = hang_up();

    if (error != NULL)
        pgs_error_free(error);
    if (worker != NULL)
        pfree(worker);
    worker = NULL;
    worker_pid = 0;
    mapped = NULL;
    sent = NULL;
    if (board() != NULL)
        give_back(board(), &my_place, board()->places);
}
