/* SPDX-License-Identifier: PostgreSQL */
/*
 * The second line of defence against traps of Swift code (index out of range, overflow, nil unwrapped): such a trap
 * is SIGILL or SIGTRAP, and the death of one process by a signal restarts every session of the server. Where it is
 * safe, the handler here ends the one session with FATAL instead.
 *
 * Safe means all of: Swift code that a trampoline entered is running (not the server, not a callback at commit or
 * exit); the instruction is this library's own; no LWLock of ours is held and no critical section open. The FATAL
 * runs the exit callbacks on top of frames that may hold a lock of the allocator or the Swift runtime, so a timer
 * turns a hang there into SIGABRT: an honest crash.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <link.h>
#include <time.h>
#include <ucontext.h>

#include "miscadmin.h"
#include "storage/ipc.h"

#include "pgs_entry.h"

/* How long the session may take to end. */
#define PGS_TRAP_EXIT_SECONDS 10

volatile sig_atomic_t pgs_trap_armed = 0;

static const char *extension_name = "unknown";
static struct sigaction previous_ill;
static struct sigaction previous_trap;
static uintptr_t code_start = 0;
static uintptr_t code_end = 0;
static volatile sig_atomic_t already = 0;

int
pgs_trap_arm(void)
{
    int saved = pgs_trap_armed;

    pgs_trap_armed = 1;
    return saved;
}

void
pgs_trap_restore(int saved)
{
    pgs_trap_armed = saved;
}

/* Finds the executable segment that this very function lies in. */
static int
find_own_code(struct dl_phdr_info *info, size_t size, void *data)
{
    uintptr_t here = (uintptr_t) &pgs_trap_arm;

    for (int i = 0; i < info->dlpi_phnum; i++)
    {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;

        if (header->p_type != PT_LOAD || here < start || here >= start + header->p_memsz)
            continue;
        code_start = start;
        code_end = start + header->p_memsz;
        return 1;
    }
    return 0;
}

/* A timer that no PostgreSQL code knows of: the server's own use SIGALRM and are cleared on the way out. */
static void
start_watchdog(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGABRT};
    struct itimerspec limit = {.it_value = {.tv_sec = PGS_TRAP_EXIT_SECONDS}};
    sigset_t abort_only;
    timer_t timer;

    signal(SIGABRT, SIG_DFL);
    sigemptyset(&abort_only);
    sigaddset(&abort_only, SIGABRT);
    sigprocmask(SIG_UNBLOCK, &abort_only, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &limit, NULL) != 0)
        abort();
}

/* Lets the signal do what it did before us: with the default, the instruction traps again and the server crashes. */
static void
pass_on(int signal_number, siginfo_t *info, void *context)
{
    struct sigaction *previous = signal_number == SIGILL ? &previous_ill : &previous_trap;

    if (previous->sa_flags & SA_SIGINFO)
        previous->sa_sigaction(signal_number, info, context);
    else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN)
        previous->sa_handler(signal_number);
    else
    {
        struct sigaction standard = {.sa_handler = SIG_DFL};

        sigaction(signal_number, &standard, NULL);
        if (info->si_code <= 0)
            raise(signal_number);
    }
}

static void
trap_handler(int signal_number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t) info->si_addr;

    if (pgs_trap_armed == 0 || already || info->si_code <= 0 || at < code_start || at >= code_end ||
        pgs_locks_held != 0 || CritSectionCount > 0 || proc_exit_inprogress || !IsUnderPostmaster)
    {
        pass_on(signal_number, info, context);
        return;
    }
    already = 1;
    pgs_trap_armed = 0;
    start_watchdog();
    ereport(FATAL,
            (errcode(ERRCODE_INTERNAL_ERROR),
             errmsg("internal error in extension \"%s\" (Swift runtime trap)", extension_name),
             errdetail("Signal %d at offset 0x%lx. Only this session is terminated.",
                       signal_number, (unsigned long) (at - code_start)),
             errhint("Please report this to the authors of the extension.")));
}

void
pgs_trap_install(const char *extension)
{
    struct sigaction action = {.sa_sigaction = trap_handler, .sa_flags = SA_SIGINFO};

    extension_name = extension;
    if (code_end != 0)
        return;
    dl_iterate_phdr(find_own_code, NULL);
    sigemptyset(&action.sa_mask);
    sigaction(SIGILL, &action, &previous_ill);
    sigaction(SIGTRAP, &action, &previous_trap);
}
