/* SPDX-License-Identifier: PostgreSQL */
/*
 * A library that cancels its own session at moments when no client could be so exact: late_cancel.at is 'utility',
 * when a utility statement has done all that it does, or the beginning of a message on its way to the server's log.
 */
#include "postgres.h"

#include <signal.h>
#include <string.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

static char *at = NULL;
static ProcessUtility_hook_type previous_utility = NULL;
static emit_log_hook_type previous_log = NULL;

static void utility(PlannedStmt *planned, const char *query, bool read_only_tree, ProcessUtilityContext context,
    ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
    if (previous_utility != NULL)
        previous_utility(planned, query, read_only_tree, context, parameters, environment, receiver, completion);
    else
        standard_ProcessUtility(
            planned, query, read_only_tree, context, parameters, environment, receiver, completion);
    if (at != NULL && strcmp(at, "utility") == 0)
        kill(MyProcPid, SIGINT);
}

static void log_message(ErrorData *data)
{
    if (previous_log != NULL)
        previous_log(data);
    if (at != NULL && at[0] != '\0' && data->message != NULL && strncmp(data->message, at, strlen(at)) == 0)
        kill(MyProcPid, SIGINT);
}

void _PG_init(void)
{
    DefineCustomStringVariable("late_cancel.at", "When to cancel.", NULL, &at, "", PGC_USERSET, 0, NULL, NULL, NULL);
    previous_utility = ProcessUtility_hook;
    ProcessUtility_hook = utility;
    previous_log = emit_log_hook;
    emit_log_hook = log_message;
}
