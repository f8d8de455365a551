/* SPDX-License-Identifier: PostgreSQL */
/* What conversation.c needs of the companions' places in shared memory; see workset_companion.c. */
#ifndef PGS_WORKSET_COMPANION_H
#define PGS_WORKSET_COMPANION_H

#include "postgres.h"

typedef enum workset_handover {
    WORKSET_HANDOVER_WAIT = 0, /* the latch is set when it is time to try again */
    WORKSET_HANDOVER_DONE,
    WORKSET_HANDOVER_REFUSED
} workset_handover;

/* Gives the segment to this executor's companion in `database`, or asks for one. */
extern workset_handover workset_hand_over(Oid database, uint32 segment, uint32 *generation);
/* No companion is wanted any more. */
extern void workset_take_back(void);
/* Whether the companion that was given something is still that one. */
extern bool workset_companion_is_there(uint32 generation);
/* This executor was interrupted, by us or by hand: so is what its companion runs. */
extern void workset_pass_interrupt(uint32 generation);

/* In a companion: the segment that was handed over, or 0; and ready for the next. */
extern uint32 workset_request_take(void);
extern void workset_request_done(void);

#endif
