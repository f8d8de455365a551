/* SPDX-License-Identifier: PostgreSQL */
/* Calls from SQL: arguments with their types, results, results of many rows. */
#include "guard.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

/* The function's declared types, looked up once per call site. */
typedef struct call_types
{
    Oid result;
    int count;
    Oid arguments[FLEXIBLE_ARRAY_MEMBER];
} call_types;

static call_types *
types_of(FunctionCallInfo fcinfo)
{
    FmgrInfo *flinfo = fcinfo->flinfo;
    Oid *declared;
    int count;
    Oid result;
    call_types *types;

    if (flinfo == NULL || !OidIsValid(flinfo->fn_oid))
        return NULL;
    if (flinfo->fn_extra != NULL)
        return flinfo->fn_extra;
    result = get_func_signature(flinfo->fn_oid, &declared, &count);
    types = MemoryContextAllocZero(flinfo->fn_mcxt, offsetof(call_types, arguments) + sizeof(Oid) * Max(count, 1));
    if (IsPolymorphicType(result) && OidIsValid(get_fn_expr_rettype(flinfo)))
        result = get_fn_expr_rettype(flinfo);
    types->result = getBaseType(result);
    types->count = count;
    for (int i = 0; i < count; i++)
    {
        Oid actual = get_fn_expr_argtype(flinfo, i);

        types->arguments[i] = getBaseType(IsPolymorphicType(declared[i]) && OidIsValid(actual) ? actual : declared[i]);
    }
    flinfo->fn_extra = types;
    return types;
}

int32_t
pgs_call_argument_count(const void *fcinfo)
{
    return ((FunctionCallInfo) fcinfo)->nargs;
}

pgs_error *
pgs_call_argument(void *call, int32_t index, pgs_argument *out)
{
    FunctionCallInfo fcinfo = call;
    call_types *known = fcinfo->flinfo != NULL ? fcinfo->flinfo->fn_extra : NULL;

    /* The ordinary case needs no guard: nothing here can raise. */
    if (likely(known != NULL && index >= 0 && index < fcinfo->nargs && index < known->count))
    {
        out->value = fcinfo->args[index].value;
        out->is_null = fcinfo->args[index].isnull;
        out->type = known->arguments[index];
        return NULL;
    }
PGS_GUARD_BEGIN
    call_types *types = types_of(fcinfo);

    if (index < 0 || index >= fcinfo->nargs)
        ereport(ERROR,
                (errcode(ERRCODE_INTERNAL_ERROR),
                 errmsg("argument %d was asked for, but the function was called with %d", index + 1, fcinfo->nargs),
                 errhint("The extension's library and its SQL script may be of different versions.")));
    out->value = fcinfo->args[index].value;
    out->is_null = fcinfo->args[index].isnull;
    out->type = types != NULL && index < types->count ? types->arguments[index] : InvalidOid;
PGS_GUARD_END
}

pgs_error *
pgs_call_result_type(void *call, pgs_oid *out)
{
    FunctionCallInfo fcinfo = call;

    if (likely(fcinfo->flinfo != NULL && fcinfo->flinfo->fn_extra != NULL))
    {
        *out = ((call_types *) fcinfo->flinfo->fn_extra)->result;
        return NULL;
    }
PGS_GUARD_BEGIN
    call_types *types = types_of(fcinfo);

    *out = types != NULL ? types->result : InvalidOid;
PGS_GUARD_END
}

void
pgs_call_set_null(void *fcinfo)
{
    ((FunctionCallInfo) fcinfo)->isnull = true;
}

pgs_error *
pgs_call_trigger_relation(void *call, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    FunctionCallInfo fcinfo = call;
    const char *name;

    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                errmsg("trigger functions can only be called as triggers"));
    name = RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation);
    *bytes = pgs_text_from_server(name, strlen(name), length);
PGS_GUARD_END

bool
pgs_call_is_atomic(const void *call)
{
    const Node *context = ((FunctionCallInfo) call)->context;

    return context == NULL || !IsA(context, CallContext) || ((const CallContext *) context)->atomic;
}

pgs_oid
pgs_call_function_oid(const void *call)
{
    FmgrInfo *flinfo = ((FunctionCallInfo) call)->flinfo;

    return flinfo != NULL ? flinfo->fn_oid : InvalidOid;
}

pgs_oid
pgs_call_collation(const void *call)
{
    return ((FunctionCallInfo) call)->fncollation;
}

/* ---------------------------------------------------------------- many rows */

struct pgs_row_sink
{
    Tuplestorestate *store;
    TupleDesc desc;
    Oid *types;                 /* of the columns, domains resolved */
    MemoryContext row;
};

/* The descriptor of the result: named columns of RETURNS TABLE or a row type, or the one value of RETURNS SETOF. */
static TupleDesc
result_descriptor(FunctionCallInfo fcinfo, ReturnSetInfo *info)
{
    Oid type;
    TupleDesc desc;

    switch (get_call_result_type(fcinfo, &type, &desc))
    {
        case TYPEFUNC_COMPOSITE:
        case TYPEFUNC_COMPOSITE_DOMAIN:
            return CreateTupleDescCopy(desc);
        case TYPEFUNC_SCALAR:
            desc = CreateTemplateTupleDesc(1);
            TupleDescInitEntry(desc, 1, "result", type, -1, 0);
            return desc;
        default:
            break;
    }
    if (info->expectedDesc == NULL)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("function returning record called in context that cannot accept type record")));
    return CreateTupleDescCopy(info->expectedDesc);
}

pgs_error *
pgs_rows_open(void *call, pgs_row_sink **out)
PGS_GUARD_BEGIN
    FunctionCallInfo fcinfo = call;
    ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
    pgs_row_sink *sink;

    if (info == NULL || !IsA(info, ReturnSetInfo))
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("set-valued function called in context that cannot accept a set")));
    if ((info->allowedModes & SFRM_Materialize) == 0)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("materialize mode required, but it is not allowed in this context")));
    MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    sink = palloc0(sizeof(pgs_row_sink));
    sink->desc = result_descriptor(fcinfo, info);
    sink->types = palloc(sizeof(Oid) * Max(sink->desc->natts, 1));
    for (int i = 0; i < sink->desc->natts; i++)
        sink->types[i] = getBaseType(TupleDescAttr(sink->desc, i)->atttypid);
    sink->store = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
    sink->row = AllocSetContextCreate(CurrentMemoryContext, "row of a result", ALLOCSET_DEFAULT_SIZES);
    info->returnMode = SFRM_Materialize;
    info->setResult = sink->store;
    info->setDesc = sink->desc;
    *out = sink;
PGS_GUARD_END_RESTORING

int32_t
pgs_rows_column_count(const pgs_row_sink *sink)
{
    return sink->desc->natts;
}

pgs_oid
pgs_rows_column_type(const pgs_row_sink *sink, int32_t column)
{
    return column >= 0 && column < sink->desc->natts ? sink->types[column] : InvalidOid;
}

void *
pgs_rows_enter(pgs_row_sink *sink)
{
    return MemoryContextSwitchTo(sink->row);
}

void
pgs_rows_leave(void *previous)
{
    MemoryContextSwitchTo(previous);
}

pgs_error *
pgs_rows_put(pgs_row_sink *sink, void *previous, const pgs_datum *values, const bool *nulls)
PGS_GUARD_BEGIN
    tuplestore_putvalues(sink->store, sink->desc, (Datum *) values, (bool *) nulls);
    MemoryContextReset(sink->row);
    MemoryContextSwitchTo(previous);
PGS_GUARD_END

pgs_error *
pgs_rows_close(pgs_row_sink *sink)
PGS_GUARD_BEGIN
    MemoryContextDelete(sink->row);
PGS_GUARD_END
