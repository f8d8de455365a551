/* SPDX-License-Identifier: PostgreSQL */
/*
 * A destination that turns the rows of a portal into JSON text, in the portal: output functions and casts are the
 * user's code and run as the user. May raise: only used under a guard.
 */
#ifndef PGS_RESULT_JSON_H
#define PGS_RESULT_JSON_H

#include "postgres.h"

#include "tcop/dest.h"

/*
 * Collects the rows as UTF-8 in `context`; 54000 beyond `limit` bytes of text in all. The encoding of each type
 * does not depend on the session's settings, except where a type's own output function does.
 */
extern DestReceiver *pgs_result_receiver(MemoryContext context, int64 limit);

/* Takes rows and keeps nothing. */
extern DestReceiver *pgs_result_discard(void);

/* Closes {"rows":[...],"row_count":n}; n is what `completion` counts when the statement gave no rows. */
extern void pgs_result_finish(
    DestReceiver *receiver, const QueryCompletion *completion, const uint8_t **json, size_t *length);

#endif
