/* SPDX-License-Identifier: PostgreSQL */
/* Who waits for whom, through any number of others. */
#ifndef PGS_BLOCKING_H
#define PGS_BLOCKING_H

#include "postgres.h"

/* Whether process `waiting` waits for a lock that `holder` has, be it through others who wait for it. May raise. */
extern bool pgs_blocks(int32 holder, int32 waiting);

#endif
