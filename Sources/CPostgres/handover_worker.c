/* SPDX-License-Identifier: PostgreSQL */
/* The worker's end of a handover; see pgs_handover.h. */
#include "guard.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"

#include "handover.h"

static handover_segment *taken = NULL;

pgs_error *
pgs_handover_attach(uint64_t argument, pgs_handover_call *call, bool *out)
PGS_GUARD_BEGIN
    uint64 ticket = 0;
    dsm_segment *mapped;

    *out = false;
    memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
    /* Without a resource owner the mapping stays until the process ends. */
    mapped = dsm_attach((dsm_handle) argument);
    if (mapped != NULL)
    {
        handover_segment *segment = dsm_segment_address(mapped);

        if (dsm_segment_map_length(mapped) >= offsetof(handover_segment, request) && segment->ticket == ticket
            && handover_advance(segment, HANDOVER_SENT, HANDOVER_TAKEN))
        {
            taken = segment;
            *call = (pgs_handover_call) {
                .database = segment->database,
                .role = segment->role,
                .session_user = segment->session_user,
                .request = segment->request,
                .length = segment->request_length,
            };
            *out = true;
        }
        else
            dsm_detach(mapped);
    }
PGS_GUARD_END

bool
pgs_handover_begin_commit(void)
{
    return taken != NULL && handover_advance(taken, HANDOVER_TAKEN, HANDOVER_COMMITTING);
}

void
pgs_handover_reply(const uint8_t *answer, size_t length)
{
    if (taken == NULL)
        return;
    taken->answer_length = Min(length, PGS_HANDOVER_ANSWER_MAX);
    memcpy(taken->answer, answer, taken->answer_length);
    /* The exchange is a barrier: who sees the stage sees the answer. */
    if (handover_advance(taken, HANDOVER_COMMITTING, HANDOVER_ANSWERED)
        || handover_advance(taken, HANDOVER_TAKEN, HANDOVER_ANSWERED))
        (void) pgs_latch_set_number(taken->caller);
}
