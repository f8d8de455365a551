/* SPDX-License-Identifier: PostgreSQL */
/* Entry points of the library: one line each; the Swift side is `<name>_swift` in Sources/PgDurable. */
#include "pgs_entry.h"

#include "CPgDurable.h"

PG_MODULE_MAGIC;

PGS_SWIFT_INIT("pg_durable", pg_durable_init_swift);

PGS_SWIFT_FUNCTION(df_sql);
PGS_SWIFT_FUNCTION(df_seq);
PGS_SWIFT_FUNCTION(df_as);
PGS_SWIFT_FUNCTION(df_as_op);
PGS_SWIFT_FUNCTION(df_join);
PGS_SWIFT_FUNCTION(df_join3);
PGS_SWIFT_FUNCTION(df_race);
PGS_SWIFT_FUNCTION(df_if);
PGS_SWIFT_FUNCTION(df_if_rows);
PGS_SWIFT_FUNCTION(df_loop);
PGS_SWIFT_FUNCTION(df_break);
PGS_SWIFT_FUNCTION(df_sleep);
PGS_SWIFT_FUNCTION(df_wait_for_signal);
PGS_SWIFT_FUNCTION(df_loop_prefix_op);
PGS_SWIFT_FUNCTION(df_if_then_op);
PGS_SWIFT_FUNCTION(df_if_else_op);
PGS_SWIFT_FUNCTION(df_start);
PGS_SWIFT_FUNCTION(df_cancel);
PGS_SWIFT_FUNCTION(df_http);
PGS_SWIFT_FUNCTION(df_http_delivered);
PGS_SWIFT_FUNCTION(df_http_multipart);
PGS_SWIFT_FUNCTION(df_http_multipart_delivered);
PGS_SWIFT_FUNCTION(df_http_allow);
PGS_SWIFT_FUNCTION(df_http_deny);
PGS_SWIFT_FUNCTION(df_http_forget);
PGS_SWIFT_FUNCTION(df_http_rules);
PGS_SWIFT_FUNCTION(df_signal);
PGS_SWIFT_FUNCTION(df_signals);
PGS_SWIFT_FUNCTION(df_status);
PGS_SWIFT_FUNCTION(df_result);
PGS_SWIFT_FUNCTION(df_await_instance);
PGS_SWIFT_FUNCTION(df_wait);
PGS_SWIFT_FUNCTION(df_version);
PGS_SWIFT_FUNCTION(df_adopt);
PGS_SWIFT_FUNCTION(df_initialize);
PGS_SWIFT_FUNCTION(df_setvar);
PGS_SWIFT_FUNCTION(df_getvar);
PGS_SWIFT_FUNCTION(df_unsetvar);
PGS_SWIFT_FUNCTION(df_clearvars);
PGS_SWIFT_FUNCTION(df_list_instances);
PGS_SWIFT_FUNCTION(df_instance_info);
PGS_SWIFT_FUNCTION(df_instance_nodes);
PGS_SWIFT_FUNCTION(df_list_instances_page);
PGS_SWIFT_FUNCTION(df_instance_executions);
PGS_SWIFT_FUNCTION(df_instance_nodes_legacy);
PGS_SWIFT_FUNCTION(df_metrics);
PGS_SWIFT_FUNCTION(df_error);
PGS_SWIFT_FUNCTION(df_run);
PGS_SWIFT_FUNCTION(df_target_database);
PGS_SWIFT_FUNCTION(df_wait_for_completion);
PGS_SWIFT_FUNCTION(df_worker_ready);
PGS_SWIFT_FUNCTION(df_worker_epoch);
PGS_SWIFT_FUNCTION(df_explain);
PGS_SWIFT_FUNCTION(df_executed_sql);
PGS_SWIFT_FUNCTION(df_wait_for_schedule);
PGS_SWIFT_FUNCTION(df_next_tick);
PGS_SWIFT_FUNCTION(df_refuse_write);
PGS_SWIFT_FUNCTION(df_me);
PGS_SWIFT_FUNCTION(df_sees_all);
PGS_SWIFT_FUNCTION(df_at_home);
PGS_SWIFT_FUNCTION(df_instance_state);
PGS_SWIFT_FUNCTION(df_stored_nodes);

PGS_SWIFT_WORKER(pg_durable_launcher_main);
PGS_SWIFT_WORKER(pg_durable_scheduler_main);
PGS_SWIFT_WORKER(pg_durable_executor_main);
PGS_SWIFT_WORKER(pg_durable_start_main);
PGS_SWIFT_WORKER(pg_durable_http_main);

/* "2026-11-22T16:42:20Z": scripts/build compiles in UTC, and the compiler honours SOURCE_DATE_EPOCH. */
const char *
pg_durable_build_time(void)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static char text[32];
    static const char date[] = __DATE__; /* "Nov 22 2026", the day padded with a blank */
    int month = 1;

    while (month < 12 && strncmp(months + 3 * (month - 1), date, 3) != 0)
        month++;
    snprintf(text, sizeof(text), "%.4s-%02d-%c%cT%sZ", date + 7, month, date[4] == ' ' ? '0' : date[4], date[5],
             __TIME__);
    return text;
}
