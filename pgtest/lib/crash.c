/* SPDX-License-Identifier: PostgreSQL */
/* A library that a test loads as "the user's own C function": it crashes its process in the way it is asked to. */
#include "postgres.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(crash_process);

/* crash_process(how int): 1 segmentation fault, 2 abort, 3 _exit(3), 4 SIGKILL */
Datum crash_process(PG_FUNCTION_ARGS)
{
    switch (PG_GETARG_INT32(0)) {
    case 1:
        raise(SIGSEGV);
        break;
    case 2:
        abort();
    case 3:
        _exit(3);
    case 4:
        kill(getpid(), SIGKILL);
        pause();
        break;
    }
    PG_RETURN_VOID();
}
