/* SPDX-License-Identifier: PostgreSQL */
/* What the two ends of a handover share; see pgs_handover.h. */
#ifndef PGS_HANDOVER_INTERNAL_H
#define PGS_HANDOVER_INTERNAL_H

#include "postgres.h"

#include "port/atomics.h"

#include "pgs_handover.h"

typedef enum handover_stage {
    HANDOVER_SENT = 0,
    HANDOVER_TAKEN,
    HANDOVER_COMMITTING,
    HANDOVER_ANSWERED,
    HANDOVER_CALLED_OFF
} handover_stage;

/* The head of the segment; the request follows. */
typedef struct handover_segment {
    uint64 ticket;        /* also in bgw_extra: a worker that comes late must not take another's segment */
    Oid database;
    Oid role;
    Oid session_user;
    int32 caller;         /* whose latch is set when there is an answer */
    pg_atomic_uint32 stage;
    Size request_length;
    Size answer_length;
    uint8 answer[PGS_HANDOVER_ANSWER_MAX];
    uint8 request[FLEXIBLE_ARRAY_MEMBER];
} handover_segment;

/* From one stage to the next, if it is still at the first. */
static inline bool
handover_advance(handover_segment *segment, handover_stage from, handover_stage to)
{
    uint32 expected = from;

    return pg_atomic_compare_exchange_u32(&segment->stage, &expected, to);
}

#endif
