/* SPDX-License-Identifier: PostgreSQL */
/*
 * What an extension's processes need beside calls from SQL: settings, shared memory, latches, interrupts, background
 * workers, the log, facts about the session, the trap guard.
 */
#ifndef PGS_PROCESS_H
#define PGS_PROCESS_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* ---------------------------------------------------------------- settings (settings.c) */

typedef enum pgs_setting_context {
    PGS_SETTING_INTERNAL,
    PGS_SETTING_POSTMASTER,
    PGS_SETTING_SIGHUP,
    PGS_SETTING_SUPERUSER_BACKEND,
    PGS_SETTING_BACKEND,
    PGS_SETTING_SUPERUSER,
    PGS_SETTING_USER
} pgs_setting_context;
typedef enum pgs_setting_unit {
    PGS_UNIT_NONE,
    PGS_UNIT_BYTES,
    PGS_UNIT_KILOBYTES,
    PGS_UNIT_MEGABYTES,
    PGS_UNIT_MILLISECONDS,
    PGS_UNIT_SECONDS,
    PGS_UNIT_MINUTES
} pgs_setting_unit;
typedef enum pgs_setting_flags {
    PGS_SETTING_SUPERUSER_ONLY = 1, /* hidden from others */
    PGS_SETTING_NO_SHOW_ALL = 2,
    PGS_SETTING_NOT_IN_SAMPLE = 4,
    PGS_SETTING_DISALLOW_IN_FILE = 8
} pgs_setting_flags;

/* Where a setting's value lives: allocated once, never freed, because the server keeps its address. */
typedef struct pgs_setting {
    bool boolean;
    int integer;
    double real;
    char *PGS_NULLABLE string; /* in the server's encoding */
} pgs_setting;

/* What all kinds of settings have in common; strings are copied. */
typedef struct pgs_setting_info {
    const char *name;
    const char *summary;
    const char *PGS_NULLABLE details;
    pgs_setting_context context;
    pgs_setting_unit unit;
    int32_t flags;
} pgs_setting_info;

pgs_setting *PGS_NULLABLE pgs_setting_new(void);
pgs_error *PGS_NULLABLE pgs_setting_bool(pgs_setting *cell, pgs_setting_info info, bool initial);
pgs_error *PGS_NULLABLE pgs_setting_int(
    pgs_setting *cell, pgs_setting_info info, int32_t initial, int32_t min, int32_t max);
pgs_error *PGS_NULLABLE pgs_setting_real(
    pgs_setting *cell, pgs_setting_info info, double initial, double min, double max);
pgs_error *PGS_NULLABLE pgs_setting_string(pgs_setting *cell, pgs_setting_info info, const char *PGS_NULLABLE initial);
/* The value is the index of the name in `names`. */
pgs_error *PGS_NULLABLE pgs_setting_enum(
    pgs_setting *cell, pgs_setting_info info, int32_t initial, const char *PGS_NONNULL const *PGS_NONNULL names,
    int32_t count);
/* Refuses every other setting under `prefix.` from here on. */
pgs_error *PGS_NULLABLE pgs_settings_reserve(const char *prefix);
/* SET for this session, as the server's own code does it (source: session, privileges of a superuser). */
pgs_error *PGS_NULLABLE pgs_setting_assign(const char *name, const char *value);
/* The value that a reset of this session's settings comes back to, whatever database and role say. */
pgs_error *PGS_NULLABLE pgs_setting_pin(const char *name, const char *value);
/* The same for what a client says when it connects: above database and role, and a SET may change it. */
pgs_error *PGS_NULLABLE pgs_setting_begin_as(const char *name, const char *value);
/* Whether the setting, any session's own included, has exactly this value. */
pgs_error *PGS_NULLABLE pgs_setting_is(const char *name, const char *value, bool *is);

/* ---------------------------------------------------------------- shared memory (shmem.c) */

typedef struct pgs_region pgs_region;

bool pgs_is_preloading(void);
/* Whether this is a server that pg_upgrade has started. */
bool pgs_is_binary_upgrade(void);
/* From the library's init: `size` zeroed bytes under `name`, and `locks` LWLocks. `init` runs once per start. */
pgs_error *PGS_NULLABLE pgs_region_request(
    const char *name, size_t size, int32_t locks, void (*PGS_NULLABLE init)(void *memory),
    pgs_region *PGS_NULLABLE *PGS_NONNULL out);
/* NULL when the library was not preloaded. */
void *PGS_NULLABLE pgs_region_memory(const pgs_region *region);
void *PGS_NULLABLE pgs_region_lock(const pgs_region *region, int32_t index);
/* Refused while another lock of ours is held. Interrupts are held off and the trap guard is off until release. */
pgs_error *PGS_NULLABLE pgs_lwlock_acquire(void *lock, bool exclusive);
void pgs_lwlock_release(void *lock);

/* ---------------------------------------------------------------- latch, interrupts (latch.c, interrupts.c) */

typedef enum pgs_wait_events { PGS_WAIT_LATCH = 1, PGS_WAIT_TIMEOUT = 2, PGS_WAIT_READABLE = 4 } pgs_wait_events;

/* Waits for this process's latch, at most `milliseconds` (negative: no limit; clamped to a day). Ends the process
   with the postmaster. `event` names the wait for pg_stat_activity where the server can (17 and later). */
pgs_error *PGS_NULLABLE pgs_latch_wait(int64_t milliseconds, const char *event, int32_t *events);
/* The same for a latch and some descriptors that are waited for again and again; made once, never freed. */
typedef struct pgs_wait_set pgs_wait_set;
pgs_error *PGS_NULLABLE pgs_wait_set_new(int32_t descriptors, pgs_wait_set *PGS_NULLABLE *PGS_NONNULL out);
/* Also until `descriptor` can be read (an epoll descriptor: until one of its own has an event). */
pgs_error *PGS_NULLABLE pgs_wait_set_add(pgs_wait_set *set, int32_t descriptor);
pgs_error *PGS_NULLABLE pgs_wait_set_wait(pgs_wait_set *set, int64_t milliseconds, const char *event, int32_t *events);
/*
 * Loads `name`.so from the server's library directory, for this process and for good, without running anything of the
 * server's; NULL with a text in `why` when it is not there or has no such function.
 */
void *PGS_NULLABLE pgs_load_function(const char *name, const char *function, char *why, size_t size);
/* Lets this process open as many files as its hard limit allows; how many that is. */
int64_t pgs_open_files_raise(void);
void pgs_latch_reset(void);
void pgs_latch_set_own(void);
/*
 * This process's place among those with shared memory, to be left where others find it; and waking who is at a place.
 * The place may have gone to another process since, which only wakes in vain.
 */
int32_t pgs_latch_own_number(void);
bool pgs_latch_set_number(int32_t number);

pgs_error *PGS_NULLABLE pgs_interrupts_check(void);
/* From now on SIGINT does nothing: this process runs nothing that anybody may cancel. */
void pgs_interrupts_ignore_cancel(void);
/* Forgets a SIGINT that came while nothing ran that it could have been meant for. */
void pgs_interrupts_drop_cancel(void);
/* What an idle loop owes the server: interrupts, reload of the configuration, catch-up of invalidations. */
pgs_error *PGS_NULLABLE pgs_interrupts_service(bool *reloaded);
pgs_error *PGS_NULLABLE pgs_stack_check(void);

/* ---------------------------------------------------------------- background workers (bgworker.c) */

typedef struct pgs_worker {
    const char *name;
    const char *type;
    const char *library;
    const char *function;
    int32_t restart_seconds; /* negative: never */
    bool database;           /* will connect to a database */
    bool at_consistency;     /* start on a hot standby, too */
    uint64_t argument;
    const uint8_t *PGS_NULLABLE extra; /* at most 128 bytes */
    size_t extra_length;
} pgs_worker;
typedef enum pgs_worker_status {
    PGS_WORKER_STARTED,
    PGS_WORKER_NOT_YET_STARTED,
    PGS_WORKER_STOPPED,
    PGS_WORKER_POSTMASTER_DIED
} pgs_worker_status;

pgs_error *PGS_NULLABLE pgs_worker_register(const pgs_worker *worker);
/* *handle is NULL when no worker slot is free. The starter's latch is set when the worker starts and stops. */
pgs_error *PGS_NULLABLE pgs_worker_start(const pgs_worker *worker, void *PGS_NULLABLE *PGS_NONNULL handle);
pgs_error *PGS_NULLABLE pgs_worker_get_status(void *handle, pgs_worker_status *status, int32_t *pid);
pgs_error *PGS_NULLABLE pgs_worker_terminate(void *handle);
void pgs_worker_forget(void *handle);
/* In a worker. Role 0 is the bootstrap superuser, database 0 none (shared catalogs only). */
pgs_error *PGS_NULLABLE pgs_worker_connect(pgs_oid database, pgs_oid role);
pgs_error *PGS_NULLABLE pgs_worker_connect_by_name(const char *PGS_NULLABLE database, const char *PGS_NULLABLE role);
/* The 128 bytes that the starter gave. */
void pgs_worker_extra(uint8_t *out, size_t length);
void pgs_proc_exit(int32_t code) __attribute__((noreturn));

/* ---------------------------------------------------------------- log and session (log.c, server.c) */

typedef enum pgs_level { PGS_DEBUG2, PGS_DEBUG1, PGS_LOG, PGS_INFO, PGS_NOTICE, PGS_WARNING } pgs_level;

bool pgs_log_is_on(pgs_level level);
/* Never fails: what cannot be logged is lost. Texts are UTF-8. */
void pgs_log(
    pgs_level level, int32_t sqlstate, const uint8_t *message, size_t message_length,
    const uint8_t *PGS_NULLABLE detail, size_t detail_length, const uint8_t *PGS_NULLABLE hint, size_t hint_length);

/* Of the session: who runs (SECURITY DEFINER counts), who logged in, who SET ROLE made of him. */
pgs_oid pgs_user_current(void);
pgs_oid pgs_user_session(void);
pgs_oid pgs_user_outer(void);
pgs_oid pgs_user_authenticated(void);
pgs_oid pgs_database_current(void);
int32_t pgs_process_id(void);
pgs_error *PGS_NULLABLE pgs_is_superuser(pgs_oid role, bool *out);
bool pgs_in_recovery(void);
int32_t pgs_server_version(void);
/* Whether `role` is a member of `group`, directly or not, with its privileges. */
pgs_error *PGS_NULLABLE pgs_has_privileges_of(pgs_oid role, pgs_oid group, bool *out);
/* NULL bytes when there is none. */
pgs_error *PGS_NULLABLE pgs_role_name(pgs_oid role, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
pgs_error *PGS_NULLABLE pgs_database_name(
    pgs_oid database, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
/* Microseconds since 2000-01-01 00:00 UTC: of the clock, of the transaction, of the statement. */
int64_t pgs_now(void);
int64_t pgs_now_transaction(void);
int64_t pgs_now_statement(void);
int64_t pgs_monotonic_ns(void);

/* ---------------------------------------------------------------- time zones (timezone.c) */

typedef struct pgs_timezone pgs_timezone;

/* The zone of that name in the server's database of time zones, in any letter case; NULL when there is none. */
pgs_error *PGS_NULLABLE pgs_timezone_find(
    const uint8_t *name, size_t length, const pgs_timezone *PGS_NULLABLE *PGS_NONNULL out);
/*
 * Seconds east of Greenwich at an instant (microseconds since 2000), and the instant from which other rules hold;
 * INT64_MAX when none is known.
 */
pgs_error *PGS_NULLABLE pgs_timezone_stretch(
    const pgs_timezone *zone, int64_t instant, int32_t *offset, int64_t *end);

/* ---------------------------------------------------------------- trap guard (trapguard.c) */

/* Once per process, from the library's init; `extension` must be a constant. */
void pgs_trap_install(const char *extension);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
