/* SPDX-License-Identifier: PostgreSQL */
/* SPI: SQL text with typed parameters, plans that stay, rows. */
#include "guard.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

struct pgs_plan
{
    SPIPlanPtr plan;
    int32_t count;
};

/* pgs_spi_table is the server's SPITupleTable. */
#define TABLE(table) ((SPITupleTable *) (table))

static void
expect(int result, const char *what)
{
    if (result == SPI_ERROR_COPY)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot COPY to or from a client here")));
    if (result == SPI_ERROR_TRANSACTION)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("transaction commands are not supported here")));
    if (result < 0)
        elog(ERROR, "%s: %s", what, SPI_result_code_string(result));
}

pgs_error *
pgs_spi_connect(bool nonatomic, pgs_spi_session *out)
PGS_GUARD_BEGIN
    expect(SPI_connect_ext(nonatomic ? SPI_OPT_NONATOMIC : 0), "SPI_connect");
    out->nonatomic = nonatomic;
    /* A worker has none; a procedure gets one per statement, which its commit must not find here. */
    out->pushed_snapshot = !nonatomic && !ActiveSnapshotSet();
    if (out->pushed_snapshot)
        PushActiveSnapshot(GetTransactionSnapshot());
    /* Values that Swift makes belong to the caller; SPI's own context goes with SPI_finish. */
PGS_GUARD_END_RESTORING

pgs_error *
pgs_spi_finish(const pgs_spi_session *session)
PGS_GUARD_BEGIN
    if (session->pushed_snapshot)
        PopActiveSnapshot();
    expect(SPI_finish(), "SPI_finish");
PGS_GUARD_END_RESTORING

pgs_error *
pgs_plan_make(const uint8_t *sql, size_t length, const pgs_oid *types, int32_t count, pgs_plan **out)
PGS_GUARD_BEGIN
    size_t converted_length;
    char *text = pgs_text_to_server(sql, length, &converted_length);
    SPIPlanPtr plan = SPI_prepare(text, count, (Oid *) types);
    pgs_plan *kept;

    if (plan == NULL)
        expect(SPI_result, "SPI_prepare");
    expect(SPI_keepplan(plan), "SPI_keepplan");
    pfree(text);
    kept = MemoryContextAlloc(TopMemoryContext, sizeof(pgs_plan));
    kept->plan = plan;
    kept->count = count;
    *out = kept;
PGS_GUARD_END_RESTORING

static char *
null_marks(const bool *nulls, int32_t count)
{
    char *marks = palloc(count + 1);

    for (int i = 0; i < count; i++)
        marks[i] = nulls[i] ? 'n' : ' ';
    marks[count] = '\0';
    return marks;
}

static void
take_result(pgs_spi_result *out)
{
    out->table = (pgs_spi_table *) SPI_tuptable;
    out->processed = SPI_processed;
    out->column_count = SPI_tuptable != NULL ? SPI_tuptable->tupdesc->natts : 0;
}

pgs_error *
pgs_plan_execute(
    pgs_plan *plan, const pgs_datum *values, const bool *nulls, int32_t count, bool read_only, int64_t rows_max,
    pgs_spi_result *out)
PGS_GUARD_BEGIN
    char *marks = null_marks(nulls, count);

    if (count != plan->count)
        elog(ERROR, "plan with %d parameters was given %d", plan->count, count);
    expect(SPI_execute_plan(plan->plan, (Datum *) values, marks, read_only, (long) rows_max), "SPI_execute_plan");
    take_result(out);
    pfree(marks);
PGS_GUARD_END_RESTORING

pgs_error *
pgs_spi_execute(
    const uint8_t *sql, size_t length, const pgs_oid *types, const pgs_datum *values, const bool *nulls, int32_t count,
    bool read_only, int64_t rows_max, pgs_spi_result *out)
PGS_GUARD_BEGIN
    size_t converted_length;
    char *text = pgs_text_to_server(sql, length, &converted_length);
    char *marks = null_marks(nulls, count);

    if (count == 0)
        expect(SPI_execute(text, read_only, (long) rows_max), "SPI_execute");
    else
        expect(SPI_execute_with_args(text, count, (Oid *) types, (Datum *) values, marks, read_only,
                                     (long) rows_max),
               "SPI_execute_with_args");
    take_result(out);
    pfree(marks);
    pfree(text);
PGS_GUARD_END_RESTORING

pgs_error *
pgs_spi_execute_one(const uint8_t *sql, size_t length, int64_t rows_max, pgs_spi_result *out)
PGS_GUARD_BEGIN
    size_t converted_length;
    char *text = pgs_text_to_server(sql, length, &converted_length);
    SPIPlanPtr plan = SPI_prepare(text, 0, NULL);

    if (plan == NULL)
        expect(SPI_result, "SPI_prepare");
    if (list_length(SPI_plan_get_plan_sources(plan)) != 1)
        ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("expected one statement, not several")));
    expect(SPI_execute_plan(plan, NULL, NULL, false, (long) rows_max), "SPI_execute_plan");
    take_result(out);
    pfree(text);
PGS_GUARD_END_RESTORING

pgs_error *
pgs_spi_value(pgs_spi_table *table, uint64_t row, int32_t column, pgs_argument *out)
PGS_GUARD_BEGIN
    TupleDesc desc = TABLE(table)->tupdesc;

    if (row >= TABLE(table)->numvals || column < 0 || column >= desc->natts)
        elog(ERROR, "row %llu, column %d of a result of %llu rows and %d columns", (unsigned long long) row,
             column + 1, (unsigned long long) TABLE(table)->numvals, desc->natts);
    out->value = SPI_getbinval(TABLE(table)->vals[row], desc, column + 1, &out->is_null);
    out->type = getBaseType(TupleDescAttr(desc, column)->atttypid);
PGS_GUARD_END

pgs_error *
pgs_spi_column_name(pgs_spi_table *table, int32_t column, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    TupleDesc desc = TABLE(table)->tupdesc;
    const char *name;

    if (column < 0 || column >= desc->natts)
        elog(ERROR, "column %d of a result of %d", column + 1, desc->natts);
    name = NameStr(TupleDescAttr(desc, column)->attname);
    *bytes = pgs_text_from_server(name, strlen(name), length);
PGS_GUARD_END

void
pgs_spi_table_free(pgs_spi_table *table)
{
    if (table != NULL)
        SPI_freetuptable(TABLE(table));
}

pgs_error *
pgs_spi_commit(void)
PGS_GUARD_BEGIN
    SPI_commit();
    /* It may have been taken in the transaction that ended, and would hold back what older rows wait for. */
    InvalidateCatalogSnapshotConditionally();
PGS_GUARD_END_RESTORING

pgs_error *
pgs_spi_rollback(void)
PGS_GUARD_BEGIN
    SPI_rollback();
PGS_GUARD_END_RESTORING
