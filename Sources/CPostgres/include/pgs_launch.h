/* SPDX-License-Identifier: PostgreSQL */
/*
 * The launcher's side of the workset: what it sees, and what it does. Only the launcher registers workers. All calls
 * but the first belong to the launcher's process; those that return no error never raise.
 */
#ifndef PGS_LAUNCH_H
#define PGS_LAUNCH_H

#include "pgs_workset.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* What the workset needs to know about its owner. Strings must live as long as the process. */
typedef struct pgs_workset_config {
    const char *name;               /* of the shared memory and the lock tranche */
    const char *library;            /* that holds the entry points */
    const char *extension;          /* whose DROP makes the workers leave */
    const char *schema;             /* of the extension's tables */
    const char *gate;               /* the table that all who write any of them lock first; so does the DROP */
    const char *executor_function;
    const char *scheduler_function;
    const char *executor_title;     /* bgw_name and bgw_type */
    const char *scheduler_title;
    /*
     * Asked once, in the postmaster, when shared memory is sized: executors (0: a number that suits
     * max_worker_processes), entries of all queues, databases that may have something to do at a time.
     */
    int32_t (*slots)(void);
    int32_t (*entries)(void);
    int32_t (*databases)(void);
    /* Asked then, too: microseconds after which work that nobody took is late, 0 for never. */
    int64_t (*patience)(void);
} pgs_workset_config;

/*
 * In _PG_init, while shared_preload_libraries is being processed: shared memory, hooks and callbacks. Elsewhere and
 * under pg_upgrade it does nothing and *out is false: then no worker is to be registered either.
 */
pgs_error *PGS_NULLABLE pgs_workset_install(const pgs_workset_config *config, bool *out);

typedef enum pgs_slot_state {
    PGS_SLOT_FREE = 0,
    PGS_SLOT_STARTING,   /* reserved, and a worker is registered */
    PGS_SLOT_IDLE,       /* attached, nothing in hand */
    PGS_SLOT_BUSY,       /* has work in hand */
    PGS_SLOT_EXITED      /* its process has detached; the launcher frees it */
} pgs_slot_state;

typedef struct pgs_slot_view {
    int32_t slot;
    uint32_t generation;
    pgs_slot_state state;
    int32_t pid;             /* 0 until attached */
    pgs_oid database;
    pgs_oid role;
    int64_t since;           /* of the present state */
    int64_t turn_since;      /* since when it has worked for its role without a break; 0 when idle */
    int32_t turn_steps;
    int64_t taken;           /* works taken in its life */
    bool leave_asked;
    bool gone;               /* EXITED, and the postmaster has reaped it: the slot can be released */
    bool failed_start;       /* EXITED without having attached, or without having looked for the work that waits */
    bool died_at_work;       /* EXITED with work in hand and not because we wanted it */
    bool gave_up;            /* EXITED because of an error of its own: the next one may do no better */
} pgs_slot_view;

typedef struct pgs_queue_view {
    pgs_oid database;
    pgs_oid role;
    int32_t waiting;
    int64_t served_at;       /* when work of it was last taken; 0 never */
} pgs_queue_view;

typedef enum pgs_scheduler_state {
    PGS_SCHEDULER_NONE = 0,
    PGS_SCHEDULER_STARTING,
    PGS_SCHEDULER_RUNNING
} pgs_scheduler_state;

typedef struct pgs_database_view {
    pgs_oid database;
    uint32_t generation;
    pgs_scheduler_state scheduler;
    bool failed;             /* the last scheduler ended without pgs_scheduler_detach, or never attached; read once */
    bool gave_up;            /* failed by an error of its own, or before it had looked: the next one may do no better */
    bool leave_asked;
    bool wants_scheduler;    /* a sweep is asked for, or nobody knows whether the extension is there */
    bool is_vacated;         /* start nothing */
    int64_t next_due;        /* of timers and of the upkeep, the earlier */
    int64_t since;           /* of the present scheduler state */
} pgs_database_view;

/*
 * Makes this process the launcher: its latch is the one that is set. What an earlier one left behind is found by
 * pgs_launcher_housekeep.
 */
pgs_error *PGS_NULLABLE pgs_launcher_attach(void);
/*
 * Looks after the workers: slots and schedulers whose process is gone are found. Returns when to come again
 * (PGS_DUE_NEVER: not before somebody sets the latch).
 */
int64_t pgs_launcher_housekeep(int64_t now);
/*
 * SIGINT again, once a second, for steps that swallowed an interrupt; SIGTERM after the tenth. Returns when to come
 * again.
 */
int64_t pgs_launcher_repeat_interrupts(int64_t now);
/* The views; they return how many were filled. Queues: only those with waiting work; each may wake us again. */
int32_t pgs_launcher_slots(pgs_slot_view *out, int32_t max);
int32_t pgs_launcher_queues(pgs_queue_view *out, int32_t max);
int32_t pgs_launcher_databases(pgs_database_view *out, int32_t max);
int32_t pgs_launcher_slot_count(void);
/* max_worker_processes. */
int32_t pgs_worker_processes_max(void);
/* How many queues and databases there can be, for the views. */
int32_t pgs_launcher_queue_count(void);
int32_t pgs_launcher_database_count(void);

/*
 * Databases in which something is to be done and that are not in the table, which was full; taken with this call.
 * *more: others too, so that all are to be looked for in pg_database.
 */
int32_t pgs_launcher_take_lost(pgs_oid *out, int32_t max, bool *more);
/*
 * Whether there is a place for one more database. If not, those that wait for nothing but a timer look whether they
 * still do.
 */
bool pgs_launcher_has_room(void);
/* Work pushed to this queue shall not wake us until a slot or a setting changes: nothing could be done. */
void pgs_launcher_mute(pgs_oid database, pgs_oid role);
/* The same because the role may not work there: its work is not waiting for an executor as long as that is so. */
void pgs_launcher_bar(pgs_oid database, pgs_oid role);

typedef enum pgs_start {
    PGS_START_DONE = 0,
    PGS_START_NOT_WANTED,    /* there is one already, or nobody asks for it any more */
    PGS_START_NO_SLOT,       /* every place of an executor is taken */
    PGS_START_NO_QUEUE,      /* every queue is in use, and none is that of this database and role */
    PGS_START_NO_DATABASE,   /* the table of databases is full */
    PGS_START_NO_WORKER      /* max_worker_processes is used up */
} pgs_start;

/* Reserves a slot and registers an executor for it. */
pgs_error *PGS_NULLABLE pgs_launcher_start_executor(pgs_oid database, pgs_oid role, pgs_start *out);
/* Registers a scheduler; makes the database known if it was not. */
pgs_error *PGS_NULLABLE pgs_launcher_start_scheduler(pgs_oid database, pgs_start *out);
/* Frees an EXITED slot whose process is gone. */
void pgs_launcher_release(int32_t slot, uint32_t generation);
/* Asks the executor of a slot to leave after its present step, or at once when idle. */
void pgs_launcher_ask_leave(int32_t slot, uint32_t generation);
void pgs_launcher_ask_scheduler_leave(pgs_oid database);
/* Nobody may work (true) or everybody again (false). */
void pgs_launcher_stop(bool stopped);
/* Drops the work of a role that does not exist. */
void pgs_launcher_forget_queue(pgs_oid database, pgs_oid role);
/* Drops all that is known of a database that does not exist. */
void pgs_database_forget(pgs_oid database);

/*
 * The databases that may hold the extension (connectable, whole and no template), of the cluster; in a transaction of
 * its own, for a process that is connected to no database. *count is how many there are, of which `max` are filled.
 */
pgs_error *PGS_NULLABLE pgs_list_databases(pgs_oid *PGS_NULLABLE out, int32_t max, int32_t *count);
typedef enum pgs_obstacle {
    PGS_OBSTACLE_NONE = 0,
    PGS_OBSTACLE_DATABASE,  /* is not there */
    PGS_OBSTACLE_INVALID,   /* is there, but a DROP DATABASE that did not end has left it unusable for good */
    PGS_OBSTACLE_CLOSED,    /* takes no connections now (ALLOW_CONNECTIONS) */
    PGS_OBSTACLE_ROLE,      /* does not exist */
    PGS_OBSTACLE_LOGIN,     /* the role may not log in */
    PGS_OBSTACLE_LIMIT,     /* the role's connection limit is 0 */
    PGS_OBSTACLE_CONNECT    /* the role lacks CONNECT on the database */
} pgs_obstacle;
typedef struct pgs_place {
    pgs_obstacle obstacle;
    bool is_template;         /* nobody stays there, since it could not be copied */
    int32_t connections_max;  /* the role's connection limit; -1: none */
} pgs_place;
/* Whether a worker for (database, role) could connect; role 0: for the database alone. */
pgs_error *PGS_NULLABLE pgs_check_place(pgs_oid database, pgs_oid role, pgs_place *out);
/* Another number after each change to the settings of the role, or of all. Never raises. */
uint32_t pgs_role_settings(pgs_oid role);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
