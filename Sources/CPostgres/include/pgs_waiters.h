/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for an item's end without polling, and without a snapshot. */
#ifndef PGS_WAITERS_H
#define PGS_WAITERS_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* In _PG_init: asks for the shared memory that the waiters' board needs. */
pgs_error *PGS_NULLABLE pgs_waiters_install(const char *name);

/* From now on this session's latch is set when somebody ends `item`; a full board is no error. */
pgs_error *PGS_NULLABLE pgs_waiter_enter(int64_t item);
void pgs_waiter_leave(void);
/* After the commit that ended `item`, in its database. */
void pgs_waiters_wake(int64_t item);

/* Whether a step of `item` that is running waits for a lock that this session holds. */
pgs_error *PGS_NULLABLE pgs_item_waits_for_me(int64_t item, bool *out);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
