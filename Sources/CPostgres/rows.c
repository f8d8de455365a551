/* SPDX-License-Identifier: PostgreSQL */
/*
 * Direct access to the extension's own tables; see pgs_rows.h for why it is direct. The model is how the server
 * writes its catalogs (access/genam.c, catalog/indexing.c).
 */
#include "guard.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "commands/extension.h"
#include "common/cryptohash.h"
#include "common/pg_prng.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pgs_process.h"
#include "rows.h"

/* SQL's advisory functions use the classes 1 and 2 of the fourth field: nobody's pg_advisory_lock reaches this. */
#define PGS_LOCK_CLASS 57

/* Tables that were found right since their relcache entries last changed. */
static Oid checked_tables[16];
/* Below the microseconds of a number: so many are given in one. */
#define NUMBER_BITS 11

typedef struct unique_numbers
{
    pg_atomic_uint64 last;
    uint64 salt; /* of this start: the clock may have been set back since the last one */
} unique_numbers;

static pgs_region *region = NULL;
static const char *extension_name = "";
static bool callback_registered = false;

static void
forget_checked(Datum arg, Oid relid)
{
    for (int i = 0; i < lengthof(checked_tables); i++)
        if (relid == InvalidOid || checked_tables[i] == relid)
            checked_tables[i] = InvalidOid;
}

static void
initialise(void *memory)
{
    unique_numbers *numbers = memory;

    pg_atomic_init_u64(&numbers->last, 0);
    numbers->salt = pg_prng_uint32(&pg_global_prng_state) & ((1 << NUMBER_BITS) - 1);
}

pgs_error *
pgs_rows_init(const char *extension)
{
    extension_name = extension;
    return pgs_region_request("unique numbers", sizeof(unique_numbers), 0, initialise, &region);
}

static Oid
kind_type(pgs_kind kind)
{
    switch (kind)
    {
        case PGS_BOOL: return BOOLOID;
        case PGS_INT2: return INT2OID;
        case PGS_INT4: return INT4OID;
        case PGS_INT8: return INT8OID;
        case PGS_OID: return OIDOID;
        case PGS_TEXT: return TEXTOID;
        case PGS_BYTEA: return BYTEAOID;
        case PGS_TIMESTAMPTZ: return TIMESTAMPTZOID;
        case PGS_NAME: return NAMEOID;
        case PGS_NULL: break;
    }
    return InvalidOid;
}

/* A changed tuple descriptor would be a wild read: the table must look as it did when this library was built. */
static void
check_table(Relation rel, const pgs_kind *kinds, int count)
{
    TupleDesc desc = RelationGetDescr(rel);
    Oid relid = RelationGetRelid(rel);
    Oid extension;
    bool good;

    for (int i = 0; i < lengthof(checked_tables); i++)
        if (checked_tables[i] == relid)
            return;
    if (!callback_registered)
    {
        CacheRegisterRelcacheCallback(forget_checked, (Datum) 0);
        callback_registered = true;
    }
    extension = get_extension_oid(extension_name, true);
    good = OidIsValid(extension) && rel->rd_rel->relkind == RELKIND_RELATION &&
        rel->rd_rel->relam == HEAP_TABLE_AM_OID && desc->natts == count &&
        getExtensionOfObject(RelationRelationId, relid) == extension;
    for (int i = 0; good && i < count; i++)
        good = !TupleDescAttr(desc, i)->attisdropped && TupleDescAttr(desc, i)->atttypid == kind_type(kinds[i]);
    if (!good)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("table \"%s\" does not match the loaded library of extension \"%s\"",
                        RelationGetRelationName(rel), extension_name),
                 errhint("Run ALTER EXTENSION %s UPDATE, or restart the server if the library was replaced.",
                         extension_name)));
    for (int i = 0; i < lengthof(checked_tables); i++)
        if (checked_tables[i] == InvalidOid)
        {
            checked_tables[i] = relid;
            break;
        }
}

static Relation
open_table(const char *schema, const char *name, LOCKMODE lock)
{
    Oid namespace = get_namespace_oid(schema, true);
    Oid relid = OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
    Relation rel = OidIsValid(relid) ? try_table_open(relid, lock) : NULL;

    if (rel == NULL)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("extension \"%s\" is not installed in this database", extension_name),
                 errhint("Run CREATE EXTENSION %s.", extension_name)));
    return rel;
}

pgs_error *
pgs_table_open(const char *schema, const char *name, bool writing, const pgs_kind *kinds, int count, pgs_table **out)
PGS_GUARD_BEGIN
    pgs_table *table;

    if (count > PGS_COLUMNS_MAX)
        elog(ERROR, "too many columns");
    table = palloc0(sizeof(*table));
    table->rel = open_table(schema, name, writing ? RowExclusiveLock : AccessShareLock);
    check_table(table->rel, kinds, count);
    table->keeps_lock = writing;
    table->count = count;
    memcpy(table->kinds, kinds, count * sizeof(*kinds));
    *out = table;
PGS_GUARD_END

void
pgs_table_keep_lock(pgs_table *table)
{
    table->keeps_lock = true;
}

pgs_error *
pgs_table_close(pgs_table *table)
PGS_GUARD_BEGIN
    if (table->indexes)
        CatalogCloseIndexes(table->indexes);
    table_close(table->rel, table->keeps_lock ? NoLock : AccessShareLock);
    pfree(table);
PGS_GUARD_END

Datum
rows_datum_of(const pgs_value *value, pgs_kind kind)
{
    if (value->kind != kind)
        elog(ERROR, "value of kind %d for a column of kind %d", value->kind, kind);
    switch (kind)
    {
        case PGS_BOOL: return BoolGetDatum(value->number != 0);
        case PGS_INT2: return Int16GetDatum((int16) value->number);
        case PGS_INT4: return Int32GetDatum((int32) value->number);
        case PGS_INT8: return Int64GetDatum(value->number);
        case PGS_OID: return ObjectIdGetDatum((Oid) value->number);
        case PGS_TIMESTAMPTZ: return TimestampTzGetDatum(value->number);
        case PGS_TEXT:
            {
                const uint8_t *bytes = value->bytes ? value->bytes : (const uint8_t *) "";
                size_t length;
                char *text = pgs_text_to_server(bytes, value->length, &length);
                Datum datum = PointerGetDatum(cstring_to_text_with_len(text, (int) length));

                pfree(text);
                return datum;
            }
        case PGS_BYTEA:
            return PointerGetDatum(cstring_to_text_with_len((const char *) value->bytes, value->length));
        case PGS_NAME:
        case PGS_NULL:
            break;
    }
    elog(ERROR, "unsupported kind %d", kind);
}

static HeapTuple
form_tuple(pgs_table *table, const pgs_value *values, int count)
{
    Datum datums[PGS_COLUMNS_MAX];
    bool nulls[PGS_COLUMNS_MAX];

    if (count != table->count)
        elog(ERROR, "row of %d values for a table of %d columns", count, table->count);
    for (int i = 0; i < count; i++)
    {
        nulls[i] = values[i].kind == PGS_NULL;
        datums[i] = nulls[i] ? (Datum) 0 : rows_datum_of(&values[i], table->kinds[i]);
    }
    return heap_form_tuple(RelationGetDescr(table->rel), datums, nulls);
}

pgs_error *
pgs_table_insert(pgs_table *table, const pgs_value *values, int count)
PGS_GUARD_BEGIN
    HeapTuple tuple = form_tuple(table, values, count);

    if (table->indexes == NULL)
        table->indexes = CatalogOpenIndexes(table->rel);
    CatalogTupleInsertWithInfo(table->rel, tuple, table->indexes);
    heap_freetuple(tuple);
PGS_GUARD_END

pgs_error *
pgs_rows_begin(void)
PGS_GUARD_BEGIN
    PushActiveSnapshot(GetTransactionSnapshot());
PGS_GUARD_END

pgs_error *
pgs_rows_end(void)
PGS_GUARD_BEGIN
    PopActiveSnapshot();
    /* what was written is to be seen, and may be deleted, by what the same statement does next */
    CommandCounterIncrement();
PGS_GUARD_END

int64_t
pgs_unique_number(void)
{
    static pg_atomic_uint64 alone = {0}; /* of a process without the server's shared memory */
    unique_numbers *shared = region != NULL ? pgs_region_memory(region) : NULL;
    pg_atomic_uint64 *last = shared != NULL ? &shared->last : &alone;
    uint64 salt = shared != NULL ? shared->salt : 0;
    uint64 previous = pg_atomic_read_u64(last);
    uint64 next;

    do
        next = Max(previous + 1, ((uint64) GetCurrentTimestamp() << NUMBER_BITS) | salt);
    while (!pg_atomic_compare_exchange_u64(last, &previous, next));
    return (int64_t) next;
}

uint32_t
pgs_random32(void)
{
    return pg_prng_uint32(&pg_global_prng_state);
}

pgs_error *
pgs_sha256(const uint8_t *bytes, size_t length, uint8_t *out)
PGS_GUARD_BEGIN
    pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

    if (context == NULL || pg_cryptohash_init(context) < 0 || pg_cryptohash_update(context, bytes, length) < 0 ||
        pg_cryptohash_final(context, out, PG_SHA256_DIGEST_LENGTH) < 0)
        elog(ERROR, "could not compute a SHA-256 hash");
    pg_cryptohash_free(context);
PGS_GUARD_END

pgs_error *
pgs_item_lock(int64_t item)
PGS_GUARD_BEGIN
    LOCKTAG tag;

    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (item >> 32), (uint32) item, PGS_LOCK_CLASS);
    (void) LockAcquire(&tag, ExclusiveLock, false, false);
PGS_GUARD_END
