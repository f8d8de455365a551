/* SPDX-License-Identifier: PostgreSQL */
/* What an executor and its companion tell each other; see pgs_companion.h. */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/memutils.h"

#include "compat.h"
#include "guard.h"
#include "pgs_companion.h"
#include "workset.h"
#include "workset_companion.h"

#define REQUEST_QUEUE (32 * 1024)
#define REPLY_QUEUE (128 * 1024)

/* The beginning of the segment; the queues follow. */
typedef struct conversation_head {
    pg_atomic_uint32 taken;
} conversation_head;

#define HEAD_SIZE MAXALIGN(sizeof(conversation_head))

static struct
{
    dsm_segment *segment;
    conversation_head *head;
    shm_mq_handle *in;
    shm_mq_handle *out;
    MemoryContext context;
    uint32 companion; /* the executor's: who got it; 0 until then */
    bool taken;       /* kept when the conversation is closed */
} talk;

/* ---- Opening and closing ---- */

static void
attach_queues(bool is_companion)
{
    char *start = dsm_segment_address(talk.segment);
    shm_mq *request = (shm_mq *) (start + HEAD_SIZE);
    shm_mq *reply = (shm_mq *) (start + HEAD_SIZE + REQUEST_QUEUE);
    MemoryContext caller;

    talk.head = (conversation_head *) start;
    if (!is_companion)
    {
        pg_atomic_init_u32(&talk.head->taken, 0);
        request = shm_mq_create(start + HEAD_SIZE, REQUEST_QUEUE);
        reply = shm_mq_create(start + HEAD_SIZE + REQUEST_QUEUE, REPLY_QUEUE);
        shm_mq_set_sender(request, MyProc);
        shm_mq_set_receiver(reply, MyProc);
    }
    else
    {
        shm_mq_set_receiver(request, MyProc);
        shm_mq_set_sender(reply, MyProc);
    }
    talk.context = AllocSetContextCreate(TopMemoryContext, "conversation", ALLOCSET_SMALL_SIZES);
    caller = MemoryContextSwitchTo(talk.context);
    talk.in = shm_mq_attach(is_companion ? request : reply, talk.segment, NULL);
    talk.out = shm_mq_attach(is_companion ? reply : request, talk.segment, NULL);
    MemoryContextSwitchTo(caller);
}

static void
hang_up(void)
{
    /* The queues are marked as left by the segment's own callbacks. */
    if (talk.segment != NULL)
        dsm_detach(talk.segment);
    if (talk.context != NULL)
        MemoryContextDelete(talk.context);
    memset(&talk, 0, offsetof(typeof(talk), taken));
}

void
pgs_companion_close(void)
{
    if (talk.head != NULL)
        talk.taken = pg_atomic_read_u32(&talk.head->taken) != 0;
    hang_up();
    if (pgs_companion_is_self() && pgs_my_slot->has_work)
        workset_request_done();
}

bool
pgs_companion_has_taken(void)
{
    return talk.head != NULL ? pg_atomic_read_u32(&talk.head->taken) != 0 : talk.taken;
}

/* ---- Waiting ---- */

static bool
other_side_is_there(void)
{
    /* An executor's end is seen at the queues: it was there first. */
    return pgs_companion_is_self() || talk.companion == 0 || workset_companion_is_there(talk.companion);
}

/* Cancels are not answered here: a companion's reply answers the executor's, and its own come between statements. */
static void
pause_for_latch(void)
{
    (void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, pgs_wait_event("CompanionReply"));
    ResetLatch(MyLatch);
    HOLD_CANCEL_INTERRUPTS();
    CHECK_FOR_INTERRUPTS();
    if (QueryCancelPending)
    {
        QueryCancelPending = false;
        if (!pgs_companion_is_self() && talk.companion != 0)
            workset_pass_interrupt(talk.companion);
    }
    RESUME_CANCEL_INTERRUPTS();
}

/* ---- Talking ---- */

static bool
send_message(const uint8_t *message, size_t length)
{
    for (;;)
    {
        bool is_there = other_side_is_there();

        switch (shm_mq_send(talk.out, length, message, true, true))
        {
            case SHM_MQ_SUCCESS:
                return true;
            case SHM_MQ_DETACHED:
                return false;
            case SHM_MQ_WOULD_BLOCK:
                break;
        }
        if (!is_there)
            return false;
        pause_for_latch();
    }
}

pgs_error *
pgs_companion_tell(const uint8_t *message, size_t length, bool *delivered)
PGS_GUARD_BEGIN
    *delivered = talk.out != NULL && send_message(message, length);
PGS_GUARD_END

static void
receive_message(const uint8_t **message, size_t *length)
{
    for (;;)
    {
        /* Asked first: what it had sent before it ended is still there to be read. */
        bool is_there = other_side_is_there();
        Size size = 0;
        void *data = NULL;

        switch (shm_mq_receive(talk.in, &size, &data, true))
        {
            case SHM_MQ_SUCCESS:
                *message = data;
                *length = size;
                return;
            case SHM_MQ_DETACHED:
                return;
            case SHM_MQ_WOULD_BLOCK:
                break;
        }
        if (!is_there)
            return;
        pause_for_latch();
    }
}

pgs_error *
pgs_companion_hear(const uint8_t **message, size_t *length)
PGS_GUARD_BEGIN
    *message = NULL;
    *length = 0;
    if (talk.in != NULL)
        receive_message(message, length);
PGS_GUARD_END

/* ---- Beginning ---- */

static pgs_call
hand_over(Oid database)
{
    uint32 generation = 0;

    for (;;)
    {
        /* Asked first: an interrupt that comes after it is passed on. */
        if (pgs_slot_was_interrupted() || pgs_slot_must_leave())
            return PGS_CALL_WITHDRAWN;
        switch (workset_hand_over(database, dsm_segment_handle(talk.segment), &generation))
        {
            case WORKSET_HANDOVER_DONE:
                talk.companion = generation;
                return PGS_CALL_MADE;
            case WORKSET_HANDOVER_REFUSED:
                return PGS_CALL_REFUSED;
            case WORKSET_HANDOVER_WAIT:
                break;
        }
        pause_for_latch();
    }
}

pgs_error *
pgs_companion_call(pgs_oid database, const uint8_t *request, size_t length, pgs_call *out)
PGS_GUARD_BEGIN
    hang_up();
    talk.taken = false;
    talk.segment = dsm_create(HEAD_SIZE + REQUEST_QUEUE + REPLY_QUEUE, 0);
    dsm_pin_mapping(talk.segment);
    attach_queues(false);
    *out = hand_over(database);
    if (*out == PGS_CALL_MADE)
        (void) send_message(request, length);
    else
    {
        workset_take_back();
        hang_up();
    }
PGS_GUARD_END

pgs_error *
pgs_companion_accept(bool *found)
PGS_GUARD_BEGIN
    dsm_handle handle = workset_request_take();

    *found = false;
    hang_up();
    if (handle != 0)
    {
        talk.segment = dsm_attach(handle);
        if (talk.segment == NULL)
            workset_request_done();
        else
        {
            dsm_pin_mapping(talk.segment);
            attach_queues(true);
            pg_atomic_write_u32(&talk.head->taken, 1);
            *found = true;
        }
    }
PGS_GUARD_END
