/* SPDX-License-Identifier: PostgreSQL */
/* How often somebody does something, for all processes of the cluster together: a limit per second, and a count. */
#ifndef PGS_RATE_H
#define PGS_RATE_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* In _PG_init, while the library is being preloaded; `name` lives as long as the process. */
pgs_error *PGS_NULLABLE pgs_rate_install(const char *name);

/*
 * Counts one event of `key`; *out is false, and nothing is counted, when there were as many as `per_second` allows: a
 * second's worth at once, then one at a time. What is kept is one instant per key, and only while it says anything:
 * with more busy keys in one second than there is room for, some are not limited.
 */
pgs_error *PGS_NULLABLE pgs_rate_take(pgs_oid key, int32_t per_second, bool *out);

/*
 * A number that only grows, and by at least one with each pgs_tally_add of `key`: what has happened between two looks
 * is at most their difference. Keys may share a number. 0 when the library was not preloaded.
 */
uint64_t pgs_tally_add(pgs_oid key);
uint64_t pgs_tally_read(pgs_oid key);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
