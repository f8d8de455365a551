/* SPDX-License-Identifier: PostgreSQL */
/* Messages to the server's log and the client, below the level of errors. */
#include "guard.h"

#include "miscadmin.h"
#include "utils/memutils.h"

static int
level_of(pgs_level level)
{
    switch (level)
    {
        case PGS_DEBUG2:
            return DEBUG2;
        case PGS_DEBUG1:
            return DEBUG1;
        case PGS_LOG:
            return LOG;
        case PGS_INFO:
            return INFO;
        case PGS_NOTICE:
            return NOTICE;
        case PGS_WARNING:
            return WARNING;
    }
    return LOG;
}

bool
pgs_log_is_on(pgs_level level)
{
    return message_level_is_interesting(level_of(level));
}

/* Where the texts of one message are converted: its caller may be a process that never leaves its context. */
static MemoryContext texts = NULL;

static pgs_error *
emit(
    int level, int32_t sqlstate, const uint8_t *message, size_t message_length, const uint8_t *detail,
    size_t detail_length, const uint8_t *hint, size_t hint_length)
PGS_GUARD_BEGIN_UNCHECKED
    if (texts == NULL)
        texts = AllocSetContextCreate(TopMemoryContext, "log message", ALLOCSET_SMALL_SIZES);
    MemoryContextSwitchTo(texts);
    /* A message is a place where cancels are answered; this one must leave them to whoever can tell of them. */
    HOLD_INTERRUPTS();
    ereport(level,
            (sqlstate != 0 ? errcode(sqlstate) : 0,
             errmsg_internal("%s", pgs_text_for_message(message, message_length)),
             detail != NULL ? errdetail_internal("%s", pgs_text_for_message(detail, detail_length)) : 0,
             hint != NULL ? errhint("%s", pgs_text_for_message(hint, hint_length)) : 0));
    RESUME_INTERRUPTS();
    MemoryContextSwitchTo(pgs_caller);
PGS_GUARD_END_UNCHECKED

void
pgs_log(
    pgs_level level, int32_t sqlstate, const uint8_t *message, size_t message_length, const uint8_t *detail,
    size_t detail_length, const uint8_t *hint, size_t hint_length)
{
    bool pending = pgs_error_pending;
    pgs_error *error;

    if (pgs_locks_held != 0 || !pgs_log_is_on(level))
        return;
    error = emit(level_of(level), sqlstate, message, message_length, detail, detail_length, hint, hint_length);
    if (error != NULL)
    {
        pgs_error_free(error);
        pgs_error_pending = pending;
    }
    if (texts != NULL)
        MemoryContextReset(texts);
}
