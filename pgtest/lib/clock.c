/* SPDX-License-Identifier: PostgreSQL */
/* Preloaded into a server: its wall clock is ahead by the seconds that the file PGTEST_CLOCK holds, as eight bytes.
   Waits go by the monotonic clock, which this leaves alone, as setting the clock of a machine does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *
ahead(void)
{
    static volatile int64_t *seconds = NULL;
    static int64_t nothing = 0;

    if (seconds == NULL)
    {
        const char *path = getenv("PGTEST_CLOCK");
        int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *page = file >= 0 ? mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;

        seconds = page == MAP_FAILED ? &nothing : page;
        if (file >= 0)
            close(file);
    }
    return seconds;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int) syscall(SYS_clock_gettime, clock, now);

    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *ahead();
    return status;
}

int
gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;

    (void) zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
