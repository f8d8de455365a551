/* SPDX-License-Identifier: PostgreSQL */
/* Who acts, where, and whether it may. Nothing here changes an identity. */
#ifndef PGS_IDENTITY_H
#define PGS_IDENTITY_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

int64_t pgs_system_identifier(void);

typedef enum pgs_standing {
    PGS_STANDING_GOOD = 0,
    PGS_STANDING_MISSING,       /* the role does not exist */
    PGS_STANDING_NOLOGIN,
    PGS_STANDING_NO_CONNECT,    /* no CONNECT privilege on this database */
    PGS_STANDING_NO_USAGE,      /* no USAGE on the schema asked about */
    PGS_STANDING_SUPERUSER      /* is a superuser, and the caller does not want those */
} pgs_standing;

/* How `role` stands now, from the catalogs; `schema` may be NULL. */
pgs_error *PGS_NULLABLE pgs_role_standing(
    pgs_oid role, const char *PGS_NULLABLE schema, bool allow_superuser, pgs_standing *out);

/* Whether this database is a template, which all may copy who may create one, unless somebody is connected to it. */
pgs_error *PGS_NULLABLE pgs_database_is_template(bool *out);

/* From now on pgs_catalog_changed() tells (once per change) that a role, a membership or the database changed. */
void pgs_catalog_watch(void);
bool pgs_catalog_changed(void);

/*
 * Runs a command of the install script as if it came after it, so that it is not remembered as the extension's initial
 * privileges. For privileges on row types, which pg_dump warns about when it finds them there.
 */
pgs_error *PGS_NULLABLE pgs_run_outside_extension(const char *sql);

/* Whether the current role has USAGE on `schema`. */
pgs_error *PGS_NULLABLE pgs_may_use_schema(const char *schema, bool *out);
/* Whether `role` may execute the function now; false when there is none with exactly these types of arguments. */
pgs_error *PGS_NULLABLE pgs_may_execute(
    pgs_oid role, const char *schema, const char *function, const pgs_oid *types, int32_t count, bool *out);

/* superuser, or BYPASSRLS: sees every role's rows. */
pgs_error *PGS_NULLABLE pgs_sees_all_rows(bool *out);

/* The role or database with exactly this name (UTF-8); 0 when there is none. */
pgs_error *PGS_NULLABLE pgs_role_by_name(const uint8_t *name, size_t length, pgs_oid *out);
pgs_error *PGS_NULLABLE pgs_database_by_name(const uint8_t *name, size_t length, pgs_oid *out);
/* Whether the extension is installed in this database. */
pgs_error *PGS_NULLABLE pgs_extension_exists(const char *name, bool *out);
/*
 * Refuses, with the server's own errors, a command that writes: in a read-only transaction (25006), during recovery,
 * in parallel mode, and (42501) within a security-restricted operation.
 */
pgs_error *PGS_NULLABLE pgs_prevent_write(const char *command);
/* The same for one whose effects are another transaction's: a read-only transaction does not forbid it. */
pgs_error *PGS_NULLABLE pgs_prevent_write_elsewhere(const char *command);

/* For an executor, before it connects: ALTER ROLE … SET role must not make the session somebody else. */
pgs_error *PGS_NULLABLE pgs_pin_role_setting(void);
/* Whether this database's encoding is UTF8. */
bool pgs_server_is_utf8(void);
/* The session's setting of that name. */
bool pgs_standard_conforming_strings(void);
/* What it was when this session began, whatever it has set since. */
pgs_error *PGS_NULLABLE pgs_standard_conforming_strings_at_first(bool *out);
/* session_preload_libraries, which background workers do not load by themselves; in a transaction of its own. */
pgs_error *PGS_NULLABLE pgs_load_session_libraries(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
