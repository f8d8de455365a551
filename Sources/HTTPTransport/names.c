/* SPDX-License-Identifier: PostgreSQL */
/*
 * Addresses of hosts, by c-ares, whose sockets are in the same epoll set as libcurl's: no thread, no waiting. Those who
 * ask for a name that is being looked up wait for the same answer, which is kept for as long as it says, ten seconds
 * at most. Each use of an address is checked on its own.
 */
#include "transport.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <ares.h>

#define KEEP_MS 10000
#define QUERY_MS 2000
#define QUERY_TRIES 3

/* One reading of the system's configuration, or the servers of ours; goes with its last query. */
typedef struct resolver
{
    struct resolver *next;
    http_transport *transport;
    configuration *config;
    ares_channel channel;
    uint32_t source;
    int32_t pending;
    struct timespec read_at; /* of the system's configuration when it was read */
} resolver;

typedef struct name
{
    struct name *next;
    resolver *asked; /* NULL: the addresses are there */
    http_transport *transport;
    uint32_t config;
    int64_t until_ms;
    transfer *waiting;
    address addresses[ADDRESSES_MAX];
    int32_t address_count;
    char text[];
} name;

bool
names_start(void)
{
    return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
}

/* ---------------------------------------------------------------- resolvers */

static struct timespec
configured_at(void)
{
    struct stat found;

    if (stat("/etc/resolv.conf", &found) != 0)
        return (struct timespec){0};
    return found.st_mtim;
}

static void
on_socket_state(void *context, ares_socket_t descriptor, int readable, int writable)
{
    resolver *of = context;

    (void) transport_watch(of->transport, of->source, descriptor,
                           (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0));
}

static void
resolver_close(http_transport *transport, resolver *of)
{
    resolver **link = &transport->resolvers;

    while (*link != of)
        link = &(*link)->next;
    *link = of->next;
    ares_destroy(of->channel);
    configuration_release(of->config);
    free(of);
}

static bool
is_current(const resolver *of, const configuration *config, struct timespec now)
{
    return of->config == config
           && (config->dns_servers[0] != '\0'
               || (of->read_at.tv_sec == now.tv_sec && of->read_at.tv_nsec == now.tv_nsec));
}

static resolver *
resolver_get(http_transport *transport, configuration *config)
{
    struct ares_options options = {.timeout = QUERY_MS, .tries = QUERY_TRIES};
    struct timespec now = configured_at();
    resolver *of;

    for (of = transport->resolvers; of != NULL; of = of->next)
        if (is_current(of, config, now))
            return of;
    of = calloc(1, sizeof(resolver));
    if (of == NULL)
        return NULL;
    of->transport = transport;
    of->source = ++transport->sources;
    of->read_at = now;
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = of;
    if (ares_init_options(&of->channel, &options,
                          ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES)
        != ARES_SUCCESS)
    {
        free(of);
        return NULL;
    }
    if (config->dns_servers[0] != '\0')
        ares_set_servers_ports_csv(of->channel, config->dns_servers);
    of->config = config;
    config->references++;
    of->next = transport->resolvers;
    transport->resolvers = of;
    return of;
}

/* ---------------------------------------------------------------- names */

static void
name_free(http_transport *transport, name *of)
{
    name **link = &transport->names;

    while (*link != of)
        link = &(*link)->next;
    *link = of->next;
    free(of);
}

static void
set_named(transfer *of)
{
    http_transport *transport = of->transport;

    of->name = NULL;
    of->name_next = NULL;
    of->state = TRANSFER_NAMED;
    list_remove(&transport->naming, of);
    list_append(&transport->named, of);
}

static void
copy_addresses(transfer *to, const name *from)
{
    memcpy(to->addresses, from->addresses, sizeof(address) * (size_t) from->address_count);
    to->address_count = from->address_count;
}

static int64_t
read_addresses(name *of, const struct ares_addrinfo *result)
{
    int64_t keep_ms = KEEP_MS;

    for (const struct ares_addrinfo_node *node = result->nodes; node != NULL; node = node->ai_next)
    {
        address *to = &of->addresses[of->address_count];

        if (of->address_count == ADDRESSES_MAX)
            break;
        if (node->ai_family == AF_INET)
        {
            memcpy(to->bytes, &((struct sockaddr_in *) node->ai_addr)->sin_addr, 4);
            to->length = 4;
        }
        else if (node->ai_family == AF_INET6)
        {
            memcpy(to->bytes, &((struct sockaddr_in6 *) node->ai_addr)->sin6_addr, 16);
            to->length = 16;
        }
        else
            continue;
        of->address_count++;
        if ((int64_t) node->ai_ttl * 1000 < keep_ms)
            keep_ms = node->ai_ttl > 0 ? (int64_t) node->ai_ttl * 1000 : 0;
    }
    return keep_ms;
}

/* Runs from within c-ares, for each look-up once: its resolver may not be closed here. */
static void
on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *result)
{
    name *of = context;
    resolver *asked = of->asked;
    int64_t keep_ms = 0;

    (void) timeouts;
    asked->pending--;
    of->asked = NULL;
    if (status == ARES_SUCCESS && result != NULL)
        keep_ms = read_addresses(of, result);
    ares_freeaddrinfo(result);
    while (of->waiting != NULL)
    {
        transfer *first = of->waiting;

        of->waiting = first->name_next;
        copy_addresses(first, of);
        if (of->address_count == 0)
        {
            char text[512];

            snprintf(text, sizeof(text), "could not resolve host %s: %s", of->text,
                     status == ARES_SUCCESS ? "no address" : ares_strerror(status));
            transfer_fail(first, HTTP_FAILED_CONNECT, text);
        }
        set_named(first);
    }
    of->until_ms = transport_now_ms() + keep_ms;
    if (of->address_count == 0 || keep_ms == 0)
        name_free(asked->transport, of);
}

static name *
name_find(http_transport *transport, const configuration *config, const char *host)
{
    int64_t now = transport_now_ms();
    name *next;

    for (name *of = transport->names; of != NULL; of = next)
    {
        next = of->next;
        if (of->asked == NULL && of->until_ms <= now)
            name_free(transport, of);
        else if (of->config == config->number && strcasecmp(of->text, host) == 0)
            return of;
    }
    return NULL;
}

void
names_ask(transfer *of, const char *host)
{
    static const struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC};
    http_transport *transport = of->transport;
    name *found = name_find(transport, of->config, host);
    resolver *asked;

    of->state = TRANSFER_NAMING;
    list_append(&transport->naming, of);
    if (found != NULL && found->asked == NULL)
    {
        copy_addresses(of, found);
        set_named(of);
        return;
    }
    if (found != NULL)
    {
        of->name = found;
        of->name_next = found->waiting;
        found->waiting = of;
        return;
    }
    asked = resolver_get(transport, of->config);
    found = asked == NULL ? NULL : calloc(1, sizeof(name) + strlen(host) + 1);
    if (found == NULL)
    {
        transfer_fail(of, HTTP_FAILED_CONNECT, "could not resolve the host: out of memory or descriptors");
        set_named(of);
        return;
    }
    strcpy(found->text, host);
    found->config = of->config->number;
    found->asked = asked;
    found->transport = transport;
    found->next = transport->names;
    transport->names = found;
    found->waiting = of;
    of->name = found;
    asked->pending++;
    ares_getaddrinfo(asked->channel, host, NULL, &hints, on_addresses, found);
}

void
names_forget(transfer *of)
{
    transfer **link;

    if (of->name == NULL)
        return;
    for (link = &of->name->waiting; *link != of; link = &(*link)->name_next)
        ;
    *link = of->name_next;
    of->name = NULL;
    of->name_next = NULL;
}

/* ---------------------------------------------------------------- events */

bool
names_event(http_transport *transport, uint32_t source, int descriptor, uint32_t events)
{
    resolver *of = transport->resolvers;

    while (of != NULL && of->source != source)
        of = of->next;
    if (of == NULL)
        return false;
    ares_process_fd(of->channel, (events & ~(uint32_t) EPOLLOUT) ? descriptor : ARES_SOCKET_BAD,
                    (events & EPOLLOUT) ? descriptor : ARES_SOCKET_BAD);
    return true;
}

int64_t
names_timeout(http_transport *transport)
{
    int64_t least = -1;

    for (resolver *of = transport->resolvers; of != NULL; of = of->next)
    {
        struct timeval wait;
        int64_t ms;

        if (of->pending == 0 || ares_timeout(of->channel, NULL, &wait) == NULL)
            continue;
        ms = (int64_t) wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1;
        if (least < 0 || ms < least)
            least = ms;
    }
    return least;
}

void
names_due(http_transport *transport, int64_t now)
{
    resolver *next;
    transfer *following;

    for (resolver *of = transport->resolvers; of != NULL; of = next)
    {
        next = of->next;
        if (of->pending > 0)
            ares_process_fd(of->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        else if (!is_current(of, transport->config, configured_at()))
            resolver_close(transport, of);
    }
    for (transfer *of = transport->naming.head; of != NULL; of = following)
    {
        following = of->next;
        if (of->deadline_ms > now)
            continue;
        names_forget(of);
        transfer_fail(of, HTTP_FAILED_TIMEOUT, "");
        set_named(of);
    }
}

/* No transfer is left. */
void
names_close(http_transport *transport)
{
    while (transport->resolvers != NULL)
        resolver_close(transport, transport->resolvers);
    while (transport->names != NULL)
        name_free(transport, transport->names);
}
