/* SPDX-License-Identifier: PostgreSQL */
/* Libraries that are no modules of the server: for one process, with one function to call. */
#include "guard.h"

#include <dlfcn.h>

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
