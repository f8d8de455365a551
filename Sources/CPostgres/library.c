/* SPDX-License-Identifier: PostgreSQL */
/* What a process needs that works with a library of its own: the library, with one function to call, and open files. */
#include "guard.h"

#include <dlfcn.h>
#include <sys/resource.h>

#include "miscadmin.h"

void *
pgs_load_function(const char *name, const char *function, char *why, size_t size)
{
    char path[MAXPGPATH + 64];
    void *library, *found = NULL;
    const char *text = NULL;

    snprintf(path, sizeof(path), "%s/%s.so", pkglib_path, name);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library != NULL)
        found = dlsym(library, function);
    if (found == NULL)
        text = dlerror();
    if (size > 0)
        snprintf(why, size, "%s", text == NULL ? "" : text);
    return found;
}

int64_t
pgs_open_files_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max)
    {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t) limit.rlim_cur;
}
