/* SPDX-License-Identifier: PostgreSQL */
/*
 * The layout of the workset in shared memory; see pgs_workset.h for what it means. Fixed size, plain structs, indexes
 * instead of pointers.
 *
 * `set->lock` guards queues, entries, databases and all of a slot but its step. `slot->step_lock` guards phase,
 * generation of the step and the interrupt marks, so that a SIGINT is sent only to the step it is meant for. Order:
 * set lock, step lock. Fields marked "peeked" are also read without a lock, by the process that owns the slot.
 */
#ifndef PGS_WORKSET_INTERNAL_H
#define PGS_WORKSET_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "pgs_launch.h"
#include "pgs_process.h"

#define WORKSET_QUEUES 512
#define WORKSET_DATABASES_USUAL 1024
#define WORKSET_DATABASES_MAX 65536
#define WORKSET_SLOTS_MAX 256
#define WORKSET_ENTRIES_MIN 1024
#define WORKSET_SETTINGS 64
#define WORKSET_LOST_MAX 64
/* Works pushed per hold of the lock. */
#define WORKSET_BATCH 1000
#define WORKSET_NONE (-1)
/* SIGINTs to a step that swallows them, a second apart, before the SIGTERM. */
#define WORKSET_INTERRUPTS_MAX 10
#define WORKSET_TURN_STEPS 50
#define WORKSET_TURN_MICROSECONDS INT64CONST(200000)

typedef struct workset_entry {
    int64 item;
    int32 part;
    int32 deaths;
    int32 queue;
    int32 next;        /* in its queue, or in the free list */
    int32 bucket_next; /* in its hash bucket */
    TimestampTz since; /* in the queue */
} workset_entry;

typedef struct workset_queue {
    Oid database;      /* InvalidOid: unused */
    Oid role;
    int32 head;
    int32 tail;
    int32 count;       /* peeked */
    int32 slots;       /* slots reserved for it */
    int32 idle;        /* of these, idle and not yet woken */
    int32 refill_at;   /* ask for a sweep when count has fallen to this */
    bool overflow;     /* the tables hold more */
    bool told;         /* the launcher knows, or does not want to */
    TimestampTz served_at;
    bool barred;       /* its role was found not to be allowed to work here */
    TimestampTz barred_until; /* until then nobody can come, and no entry waits for anybody */
} workset_queue;

typedef enum workset_phase {
    WORKSET_PHASE_NONE = 0,
    WORKSET_PHASE_RUNNING,
    WORKSET_PHASE_COMMITTING
} workset_phase;

typedef struct workset_slot {
    pgs_slot_state state;
    uint32 generation; /* of the reservation */
    int32 pid;
    int32 procno;
    Oid database;
    Oid role;
    int32 queue;
    int32 database_index;
    bool leave;        /* peeked */
    bool counted_idle; /* counted in its queue's `idle` */
    bool woken;        /* by a push, and has not looked since */
    bool failed_start;
    bool died_at_work;
    bool gone;         /* EXITED, and the postmaster has reaped it */
    bool has_work;     /* (item, part) is in hand */
    bool dirty;        /* somebody pushed it meanwhile */
    bool has_looked;   /* asked for work: it came as far as that */
    bool blameless;    /* it leaves for a reason that is not the fault of its work */
    bool gave_up;      /* it leaves because of an error of its own */
    bool isolated;     /* its step runs while no other suspect does */
    int64 item;
    int32 part;
    int32 deaths;
    int32 work_steps;
    TimestampTz work_since;
    uint32 settings;   /* workset_settings() at attach */
    TimestampTz since;
    TimestampTz turn_since;
    int32 turn_steps;
    int64 taken;

    /* Of an executor: the database in which it wants a companion, and whether it was told that there is none. */
    Oid wanted;
    bool refused;
    /* Of a companion: the generation of the executor it is there for, and what that has handed over. */
    uint32 owner;
    uint32 request;    /* a dsm_handle that nobody has taken; 0: none */
    bool unsettled;    /* peeked: a prepared transaction of it may be left */

    LWLock *step_lock;
    workset_phase phase;
    bool interrupted;  /* peeked: this step was interrupted by us */
    bool interrupt_next; /* an interrupt came between steps */
    bool interrupt_on_switch; /* one came for another part of the item, which may be the next in hand */
    int32 interrupts;  /* sent to this step */
    TimestampTz interrupted_at;
} workset_slot;

typedef struct workset_database {
    Oid oid;           /* InvalidOid: unused */
    uint32 generation; /* of the scheduler's reservation */
    pgs_scheduler_state scheduler;
    int32 pid;
    int32 procno;
    int32 slots;       /* slots reserved in it */
    int32 queues;      /* queues in use of it */
    int32 prepared;    /* at most so many prepared transactions may have left work; 1 when nobody has looked yet */
    int32 vacate;      /* peeked: commands that want the database for themselves */
    int32 quiesce;     /* peeked: transactions that drop the extension */
    bool known;        /* the extension is there */
    bool leave;        /* peeked: the scheduler shall leave */
    bool failed;
    bool gave_up;      /* failed, and the next one may do no better */
    bool sweep;        /* wanted */
    bool sweeping;     /* taken, not done */
    bool roleless;     /* work of a role was found that is gone: the scheduler ends it */
    bool overflow;     /* work of a role that got no queue */
    Oid sweep_from;    /* the first role for which the last sweep found no room; 0: none */
    bool scanning;     /* between next_due_begin and publish_due */
    bool published;    /* next_due is what this scheduler found */
    bool has_looked;   /* this scheduler found out once */
    bool stale;        /* executors have worked since: next_due may be that of a timer that is gone */
    TimestampTz next_due;
    TimestampTz hinted;  /* earliest due committed since the scan began */
    TimestampTz upkeep_due; /* when its scheduler wants to clean up next; keeps no row in use */
    TimestampTz since;
} workset_database;

typedef struct workset {
    LWLock *lock;
    int32 boot;
    bool unclean;      /* the last stop was a crash */
    TimestampTz booted_at;
    int32 launcher_pid;
    int32 launcher_procno;
    TimestampTz launcher_left; /* when there was a launcher last */
    TimestampTz stopped_at;
    bool stopped;      /* peeked */
    bool starved;      /* a queue that holds nothing got no entry: there is none of its own to notice room by */
    bool queueless;    /* work of a role found no queue */
    bool forgotten;    /* a database with the extension has lost its row to another one */
    int32 prepared_notes; /* peeked: of prepared transactions that have something to tell to all */
    bool lost_more;    /* than there are places for in `lost` */
    int32 lost_count;
    Oid lost[WORKSET_LOST_MAX]; /* databases with something to do that found no row */
    pg_atomic_uint32 settings_generations[WORKSET_SETTINGS]; /* by oid of a role or database; [0] also for all */
    uint32 next_generation;
    int32 slot_count;  /* executors; the same number of companions follows them */
    int32 entry_count;
    int32 bucket_count; /* a power of two */
    int32 database_count;
    int64 patience;    /* microseconds after which work that nobody took is late; 0: never */
    int32 free_head;
    int32 free_count;
    workset_queue queues[WORKSET_QUEUES];
    workset_slot slots[2 * WORKSET_SLOTS_MAX];
    /* followed by workset_database[database_count], int32 buckets[bucket_count] and workset_entry[entry_count] */
} workset;

/* Slots of both kinds. */
#define WORKSET_PLACES (2 * pgs_set->slot_count)

/* What a prepared transaction will tell when it is committed; its place is that of its dummy process. */
typedef struct workset_prepared {
    TransactionId xid;
    bool everywhere;
    uint64 settings;
} workset_prepared;

/* What a worker gets in bgw_extra, to be compared with its place. */
typedef struct workset_ticket {
    int32 boot;
    uint32 generation;
} workset_ticket;

/* NULL when the library was not preloaded. */
extern workset *pgs_set;
extern workset_database *pgs_databases;
extern workset_prepared *pgs_prepared_notes;
extern workset_entry *pgs_entries;
extern int32 *pgs_buckets;
extern pgs_workset_config pgs_config;
/* Of the scheduler: its database. */
extern workset_database *pgs_my_database;
extern workset_slot *pgs_my_slot;

/* Latches to set once the lock is released. */
typedef struct workset_wakes {
    int32 count;
    int32 procno[64];
} workset_wakes;

extern void workset_wake(workset_wakes *wakes, int32 procno);
extern void workset_wake_launcher(workset_wakes *wakes);
extern void workset_wake_scheduler(workset_wakes *wakes, workset_database *database);
extern void workset_wake_flush(workset_wakes *wakes);

static inline int32
workset_my_procno(void)
{
    return pgs_latch_own_number();
}

/* All of the following want `set->lock` held exclusively; the `find` ones shared at least. */
extern workset_queue *workset_queue_find(Oid database, Oid role);
extern workset_queue *workset_queue_get(workset_database *database, Oid role);
extern void workset_queue_clear(workset_queue *queue);
/* Since when the entry has waited for somebody who could have come. */
static inline TimestampTz
workset_waits_since(const workset_queue *queue, const workset_entry *entry)
{
    return Max(entry->since, queue->barred_until);
}

/* Until now nobody could come to any queue of the database; InvalidOid: of any. */
extern void workset_bar_lifted(Oid database);
/* Takes the head, which must be there, and gives its entry back to the pool. */
extern workset_entry workset_entry_pop(workset_queue *queue);
/* The queue has room again: what found none before is swept up. */
extern void workset_queue_refill(workset_queue *queue, workset_database *database, workset_wakes *wakes);
extern void workset_queue_drop(workset_queue *queue);
extern bool workset_push(
    workset_database *database, Oid role, int64 item, int32 part, int32 deaths, workset_wakes *wakes);
extern void workset_slot_set_idle(workset_slot *slot, bool idle);
/* The slot of another process that has the same work in hand. */
extern workset_slot *workset_holder_of(Oid database, int64 item, int32 part);
/* The slot of this process, with the lock; see workset_slots.c. */
extern workset_slot *workset_slot_lock_own(void);
/* Nothing is interrupted any more that was in hand. Takes the step lock itself. */
extern void workset_step_forget(workset_slot *slot);
/*
 * The process of a slot is gone or going: what it had in hand is put back, and the tables are swept, since it may
 * have known of more.
 */
extern void workset_slot_exited(workset_slot *slot, workset_wakes *wakes);

extern workset_database *workset_database_find(Oid oid);
/* The row of a database, made when there is none; NULL when all are in use, and then the launcher will look into it. */
extern workset_database *workset_database_get(Oid oid);
/* The same for whoever sees to the database himself when there is no row now. */
extern workset_database *workset_database_make(Oid oid);
extern void workset_database_reclaim(workset_database *database);
extern void workset_want_sweep(workset_database *database, workset_wakes *wakes);
/* Whether a scheduler is wanted for more than timers. */
static inline bool
workset_is_asked(const workset_database *database)
{
    return database->sweep || database->roleless;
}
extern void workset_hint_due(workset_database *database, TimestampTz due, workset_wakes *wakes);
/* Room was made: those who found none may have their sweep. */
extern void workset_starved_retry(workset_wakes *wakes);
extern bool workset_queue_is_unused(const workset_queue *queue);
/* The database has no scheduler any more; what it had begun is to be done again. */
extern void workset_scheduler_unseat(
    workset_database *database, bool failed, bool gave_up, workset_wakes *wakes);

/* Which generation counts the changes of a role or database; InvalidOid: of everything. */
static inline int32
workset_settings_bucket(Oid oid)
{
    return oid == InvalidOid ? 0 : 1 + (int32) ((((uint32) oid * 2654435769u) >> 8) % (WORKSET_SETTINGS - 1));
}

/* The bit that stands for everything, in a set of those buckets. */
#define WORKSET_SETTINGS_ALL UINT64CONST(1)

/* Executors that began under earlier settings of these buckets leave. */
extern void workset_settings_changed(uint64 buckets, workset_wakes *wakes);
/* Every database that may have the extension looks through its tables; the lock is held. */
extern void workset_sweep_everywhere(workset_wakes *wakes);

/* Changes whenever settings or rights of the role, of the database or of all did. Lock-free. */
extern uint32 workset_settings(Oid database, Oid role);

/*
 * Interrupts the step of a slot, or the next one if none runs; false when none ran. Takes the step lock itself;
 * `set->lock` held.
 */
extern bool workset_interrupt(workset_slot *slot);
/*
 * The same if the slot has `part` of its item in hand (-1: any), or the item as a whole. Else it is remembered for the
 * moment when the slot turns to another part: it may have read the tables before the request was committed.
 */
extern bool workset_interrupt_part(workset_slot *slot, int32 part);
/* SIGTERM, but never into a commit. The same locks. */
extern void workset_terminate(workset_slot *slot);
/* Who is in the database, the caller's own slot left out; `idle_only`: steps that run do not count. */
extern bool workset_database_is_empty(workset_database *database, bool idle_only);
extern void workset_database_wake_all(workset_database *database, workset_wakes *wakes);
extern void workset_database_forget(workset_database *database, workset_wakes *wakes);

/*
 * Keeps our workers out of a database to the end of the transaction: `is_quiesce`, those that run a step too, which
 * is interrupted; `forget`, what is known of the database goes when the transaction commits. Wakes whoever is there;
 * false when the database is not known, and nobody can be there.
 */
extern bool workset_hold_take(Oid database, bool is_quiesce, bool forget);
/* Waits, four seconds at most, until they have left; with `idle_only`, steps that run are not waited for. */
extern void workset_hold_wait(Oid database, bool idle_only);
extern pgs_error *workset_holds_install(void);

/*
 * Companions: each executor may have one, a session of the same role in another database that serves its requests.
 * Its slot is the executor's number plus `slot_count`; it belongs to no queue.
 */
static inline bool
workset_is_companion(const workset_slot *slot)
{
    return slot >= &pgs_set->slots[pgs_set->slot_count];
}

/* The executor ends: its companion stops what it does and leaves. */
extern void workset_companion_dismiss(workset_slot *slot, workset_wakes *wakes);
/* It can be given something: its executor is told. */
extern void workset_companion_is_free(workset_slot *slot, workset_wakes *wakes);
/* The companion ends: its executor is told. */
extern void workset_companion_exited(workset_slot *slot, workset_wakes *wakes);

/* What workset_launch.c keeps for both kinds of slots. */
/* Registers the worker of a slot that was reserved; gives the slot back when there is none to be had. */
extern pgs_start workset_start_worker(workset_slot *slot);
/* The lock is held. */
extern void workset_slot_release(workset_slot *slot, workset_wakes *wakes);

/* This transaction has just been prepared; what it changed for executors, and whether all databases must look. */
extern void workset_prepared_note(uint64 settings, bool everywhere);
/*
 * The databases of all that there are, are swept; at the first look since the server started nothing is known of what
 * they changed, and all is assumed. The lock is held.
 */
extern void workset_prepared_note_all(bool is_first);
/* One was committed or rolled back here. */
extern void workset_prepared_ended(bool committed);

extern pgs_error *workset_commit_list_install(void);
extern void workset_utility_install(void);

#endif
