/* SPDX-License-Identifier: PostgreSQL */
/* One statement from its raw parse tree to its rows. */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "step.h"

static const char *
transaction_command(const TransactionStmt *statement)
{
    switch (statement->kind)
    {
        case TRANS_STMT_BEGIN:
            return "BEGIN";
        case TRANS_STMT_START:
            return "START TRANSACTION";
        case TRANS_STMT_COMMIT:
            return "COMMIT";
        case TRANS_STMT_ROLLBACK:
            return "ROLLBACK";
        case TRANS_STMT_SAVEPOINT:
            return "SAVEPOINT";
        case TRANS_STMT_RELEASE:
            return "RELEASE SAVEPOINT";
        case TRANS_STMT_ROLLBACK_TO:
            return "ROLLBACK TO SAVEPOINT";
        case TRANS_STMT_PREPARE:
            return "PREPARE TRANSACTION";
        case TRANS_STMT_COMMIT_PREPARED:
            return "COMMIT PREPARED";
        case TRANS_STMT_ROLLBACK_PREPARED:
            return "ROLLBACK PREPARED";
    }
    return "transaction control";
}

void
pgs_step_refuse(const RawStmt *raw)
{
    if (IsA(raw->stmt, TransactionStmt))
        ereport(ERROR,
                errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("%s is not allowed here", transaction_command((TransactionStmt *) raw->stmt)),
                errhint("The statement runs in a transaction of its own, which ends with it."));
    if (IsA(raw->stmt, CopyStmt) && ((CopyStmt *) raw->stmt)->filename == NULL)
    {
        bool from = ((CopyStmt *) raw->stmt)->is_from;

        ereport(ERROR,
                errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("%s is not allowed here", from ? "COPY FROM STDIN" : "COPY TO STDOUT"),
                errdetail("There is no client to copy from or to."),
                from ? errhint("Use INSERT, or COPY from a file on the server.")
                     : errhint("Use SELECT, or COPY to a file on the server."));
    }
}

void
pgs_step_portal(RawStmt *raw, const char *text, DestReceiver *receiver, QueryCompletion *completion)
{
    CommandTag tag = CreateCommandTag(raw->stmt);
    bool snapshot = analyze_requires_snapshot(raw);
    List *queries;
    List *plans;
    Portal portal;
    int16 format = 0;

    if (snapshot)
        PushActiveSnapshot(GetTransactionSnapshot());
    queries = pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0, NULL);
    plans = pg_plan_queries(queries, text, CURSOR_OPT_PARALLEL_OK, NULL);
    if (snapshot)
        PopActiveSnapshot();
    CHECK_FOR_INTERRUPTS();

    portal = CreatePortal("", true, true);
    portal->visible = false;
    PortalDefineQuery(portal, NULL, text, tag, plans, NULL);
    PortalStart(portal, NULL, 0, InvalidSnapshot);
    PortalSetResultFormat(portal, 1, &format);

    /* Rows of what a rule added are nobody's result: they go nowhere, as with the extended protocol. */
    MemoryContextSwitchTo(TopTransactionContext);
    (void) pgs_portal_run_all(portal, receiver, completion);
    PortalDrop(portal, false);
}
