/* SPDX-License-Identifier: PostgreSQL */
/* What the parts of row access share: open tables, and values on their way in. */
#ifndef PGS_ROWS_INTERNAL_H
#define PGS_ROWS_INTERNAL_H

#include "postgres.h"

#include "catalog/indexing.h"
#include "utils/rel.h"

#include "pgs_rows.h"

#define PGS_COLUMNS_MAX 24

struct pgs_table
{
    Relation rel;
    CatalogIndexState indexes;
    bool keeps_lock; /* to the end of the transaction */
    int count;
    pgs_kind kinds[PGS_COLUMNS_MAX];
};

/* The value as a datum of its column; raises. */
extern Datum rows_datum_of(const pgs_value *value, pgs_kind kind);

#endif
