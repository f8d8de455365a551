/* SPDX-License-Identifier: PostgreSQL */
/*
 * Commands that concern the workers: a database that somebody wants for himself is left by our idle workers, the
 * extension is left by all of them before it is dropped, settings of roles reach executors, and what a prepared
 * transaction left is looked for when it commits.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "workset.h"

static ProcessUtility_hook_type previous_utility = NULL;

/* ---- Who may send our workers away: whoever may run the command that needs it ---- */

static void
vacate(const char *name, bool forget)
{
    Oid oid = name != NULL ? get_database_oid(name, true) : InvalidOid;

    /* Nobody else gets past the server's own check; and no worker of ours stays in what all may copy. */
    if (!OidIsValid(oid) || !pgs_owns_database(oid, GetUserId()))
        return;
    if (workset_hold_take(oid, false, forget))
        workset_hold_wait(oid, true);
}

static const char *
template_of(const CreatedbStmt *statement)
{
    ListCell *cell;

    foreach(cell, statement->options)
    {
        DefElem *option = lfirst_node(DefElem, cell);

        if (strcmp(option->defname, "template") == 0)
            return option->arg != NULL ? defGetString(option) : "template1";
    }
    return "template1";
}

static bool
moves_tablespace(const AlterDatabaseStmt *statement)
{
    ListCell *cell;

    foreach(cell, statement->options)
    {
        if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
            return true;
    }
    return false;
}

/* Before any other of its tables, as all who write them do: else each could hold what the other waits for. */
static void
lock_gate(void)
{
    Oid schema = get_namespace_oid(pgs_config.schema, true);
    Oid gate = OidIsValid(schema) ? get_relname_relid(pgs_config.gate, schema) : InvalidOid;

    if (OidIsValid(gate))
        LockRelationOid(gate, AccessExclusiveLock);
}

static void
quiesce_for_drop(const DropStmt *statement)
{
    ListCell *cell;

    if (statement->removeType != OBJECT_EXTENSION)
        return;
    foreach(cell, statement->objects)
    {
        Node *name = lfirst(cell);
        Oid oid;

        if (!IsA(name, String) || strcmp(strVal(name), pgs_config.extension) != 0)
            continue;
        oid = get_extension_oid(pgs_config.extension, true);
        if (!OidIsValid(oid) || !pgs_owns_extension(oid, GetUserId()))
            continue;
        if (workset_hold_take(MyDatabaseId, true, true))
            workset_hold_wait(MyDatabaseId, false);
        lock_gate();
    }
}

/* ---- The hook ---- */

static void
before_statement(Node *statement, bool is_top_level)
{
    switch (nodeTag(statement))
    {
        case T_DropdbStmt:
            if (is_top_level)
                vacate(((DropdbStmt *) statement)->dbname, true);
            break;
        case T_CreatedbStmt:
            if (is_top_level)
                vacate(template_of((CreatedbStmt *) statement), false);
            break;
        case T_AlterDatabaseStmt:
            if (is_top_level && moves_tablespace((AlterDatabaseStmt *) statement))
                vacate(((AlterDatabaseStmt *) statement)->dbname, false);
            break;
        case T_RenameStmt:
            if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
                vacate(((RenameStmt *) statement)->subname, false);
            break;
        case T_DropStmt:
            quiesce_for_drop((DropStmt *) statement);
            break;
        default:
            break;
    }
}

/* Fails only when the library was not preloaded, and then these hooks are not there. */
static void
settings_changed(Oid of)
{
    pgs_error *error = pgs_settings_changed_at_commit(of);

    Assert(error == NULL);
    (void) error;
}

/* What they left is ended by the schedulers, and those may have gone. */
static void
roles_dropped(void)
{
    pgs_error *error = pgs_sweep_everywhere_at_commit();

    Assert(error == NULL);
    (void) error;
}

/* ALLOW_CONNECTIONS, IS_TEMPLATE: what was closed to our workers may be open, and the other way round. */
static void
database_changed(const AlterDatabaseStmt *statement)
{
    Oid oid = get_database_oid(statement->dbname, true);
    pgs_error *error = pgs_look_into_at_commit(oid);

    Assert(error == NULL);
    (void) error;
    settings_changed(oid);
}

static void
role_changed(RoleSpec *role)
{
    settings_changed(role != NULL ? get_rolespec_oid(role, true) : InvalidOid);
}

static void
after_statement(NodeTag tag, Node *statement)
{
    if (tag == T_AlterRoleStmt)
        role_changed(((AlterRoleStmt *) statement)->role);
    else if (tag == T_AlterRoleSetStmt)
        role_changed(((AlterRoleSetStmt *) statement)->role);
    else if (tag == T_DropRoleStmt)
        roles_dropped();
    else if (tag == T_AlterDatabaseStmt)
        database_changed((AlterDatabaseStmt *) statement);
    else if (tag == T_AlterDatabaseSetStmt)
        settings_changed(get_database_oid(((AlterDatabaseSetStmt *) statement)->dbname, true));
}

static void
utility(
    PlannedStmt *planned, const char *query, bool read_only_tree, ProcessUtilityContext context,
    ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
    Node *statement = planned->utilityStmt;
    NodeTag tag = nodeTag(statement); /* a statement that commits inside may take its tree with it */
    bool is_ours = pgs_set != NULL && !IsBinaryUpgrade && !RecoveryInProgress() && OidIsValid(MyDatabaseId);
    bool commits_prepared = false;
    bool rolls_back_prepared = false;

    if (IsA(statement, TransactionStmt))
    {
        commits_prepared = ((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED;
        rolls_back_prepared = ((TransactionStmt *) statement)->kind == TRANS_STMT_ROLLBACK_PREPARED;
    }
    else if (is_ours && IsTransactionState())
        before_statement(statement, context == PROCESS_UTILITY_TOPLEVEL);

    if (previous_utility != NULL)
        previous_utility(planned, query, read_only_tree, context, parameters, environment, receiver, completion);
    else
        standard_ProcessUtility(
            planned, query, read_only_tree, context, parameters, environment, receiver, completion);

    if (!is_ours)
        return;
    if (commits_prepared || rolls_back_prepared)
        workset_prepared_ended(commits_prepared);
    else
        after_statement(tag, statement);
}

void
workset_utility_install(void)
{
    previous_utility = ProcessUtility_hook;
    ProcessUtility_hook = utility;
}
