/* SPDX-License-Identifier: PostgreSQL */
/* The transfers of one process: descriptors of libcurl and c-ares in an epoll set of ours, their timers, the rounds. */
#include "transport.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Events of one round; the process has other things to look at in between. */
#define EVENTS_MAX 64

int64_t
transport_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
list_append(transfer_list *list, transfer *of)
{
    of->next = NULL;
    of->previous = list->tail;
    if (list->tail == NULL)
        list->head = of;
    else
        list->tail->next = of;
    list->tail = of;
}

void
list_remove(transfer_list *list, transfer *of)
{
    if (of->previous == NULL)
        list->head = of->next;
    else
        of->previous->next = of->next;
    if (of->next == NULL)
        list->tail = of->previous;
    else
        of->next->previous = of->previous;
    of->next = of->previous = NULL;
}

bool
transport_watch(http_transport *transport, uint32_t source, int descriptor, uint32_t events)
{
    struct epoll_event event = {.events = events};

    event.data.u64 = (uint64_t) source << 32 | (uint32_t) descriptor;
    if (events == 0)
    {
        /* It may be closed already, which took it out of the set. */
        epoll_ctl(transport->epoll, EPOLL_CTL_DEL, descriptor, NULL);
        return true;
    }
    return epoll_ctl(transport->epoll, EPOLL_CTL_MOD, descriptor, &event) == 0
           || epoll_ctl(transport->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

/* ---------------------------------------------------------------- opening and closing */

static void
transport_close(http_transport *transport)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (transport->buckets[i] != NULL)
            transfer_free(transport->buckets[i]);
    pool_close_idle(transport, true);
    names_close(transport);
    configuration_release(transport->config);
    if (transport->epoll >= 0)
        close(transport->epoll);
    free(transport);
}

static bool
transport_configure(http_transport *transport, const http_config *config)
{
    configuration *made = configuration_make(transport, config);

    if (made == NULL)
        return false;
    configuration_release(transport->config);
    transport->config = made;
    transport->memory = config->memory;
    return true;
}

/* The administrator's settings say where to go and whom to trust; what the server was started with does not. */
static void
forget_environment(void)
{
    static const char *const names[] = {
        "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSLKEYLOGFILE",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES", "CURL_HOME",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

static http_transport *
transport_open(const http_policy *policy, void *context, const http_config *config)
{
    http_transport *transport = calloc(1, sizeof(http_transport));

    if (transport == NULL)
        return NULL;
    forget_environment();
    transport->epoll = -1;
    transport->policy = *policy;
    transport->context = context;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !names_start()
        || !transport_configure(transport, config) || (transport->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
    {
        transport_close(transport);
        return NULL;
    }
    return transport;
}

static int
transport_fd(http_transport *transport)
{
    return transport->epoll;
}

/* ---------------------------------------------------------------- requests */

static transfer *
find(http_transport *transport, uint64_t id)
{
    transfer *of = transport->buckets[(id ^ id >> 32) % BUCKETS];

    while (of != NULL && of->id != id)
        of = of->bucket_next;
    return of;
}

static bool
transport_start(http_transport *transport, const http_request *request)
{
    transfer *of = transfer_new(transport, request);

    if (of == NULL)
        return false;
    if (transfer_prepare(of, request))
        transfer_aim(of);
    else
        transfer_finish(of, CURLE_OK);
    return true;
}

static void
transport_end(http_transport *transport, uint64_t id)
{
    transfer *of = find(transport, id);

    if (of != NULL)
        transfer_free(of);
}

static const http_response *
transport_next_answer(http_transport *transport, uint64_t previous)
{
    transfer *of = previous == 0 ? NULL : find(transport, previous);

    of = of == NULL ? transport->finished.head : of->next;
    return of == NULL ? NULL : &of->response;
}

static int32_t
transport_in_flight(http_transport *transport)
{
    return transport->count;
}

/* ---------------------------------------------------------------- rounds */

static void
lower(int64_t *least, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    if (*least < 0 || ms < *least)
        *least = ms;
}

static int64_t
transport_timeout(http_transport *transport)
{
    int64_t least = names_timeout(transport), now = transport_now_ms();

    if (transport->has_more || transport->named.head != NULL)
        return 0;
    for (transfer *of = transport->naming.head; of != NULL; of = of->next)
        lower(&least, of->deadline_ms - now);
    for (pool *of = transport->pools; of != NULL; of = of->next)
    {
        if (of->due_ms >= 0)
            lower(&least, of->due_ms - now);
        if (of->count == 0)
            lower(&least, of->config != transport->config ? 0 : of->idle_ms + POOL_IDLE_MS - now);
    }
    return least;
}

static void
dispatch(http_transport *transport, const struct epoll_event *event)
{
    uint32_t source = (uint32_t) (event->data.u64 >> 32);
    int descriptor = (int) (uint32_t) event->data.u64;
    pool *of = pool_by_source(transport, source);
    int flags = 0, running;

    if (of == NULL)
    {
        names_event(transport, source, descriptor, event->events);
        return;
    }
    if (event->events & EPOLLIN)
        flags |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        flags |= CURL_CSELECT_OUT;
    if (event->events & (EPOLLERR | EPOLLHUP))
        flags |= CURL_CSELECT_ERR | CURL_CSELECT_IN;
    curl_multi_socket_action(of->multi, descriptor, flags, &running);
}

static void
run_pool(pool *of, int64_t now)
{
    CURLMsg *message;
    int left, running;

    if (of->due_ms >= 0 && of->due_ms <= now)
    {
        of->due_ms = -1;
        curl_multi_socket_action(of->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    while ((message = curl_multi_info_read(of->multi, &left)) != NULL)
    {
        transfer *ended = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ended);
        transfer_ended(ended, message->data.result);
    }
}

static void
transport_run(http_transport *transport)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(transport->epoll, events, EVENTS_MAX, 0);
    int64_t now;

    transport->has_more = count == EVENTS_MAX;
    for (int i = 0; i < count; i++)
        dispatch(transport, &events[i]);
    now = transport_now_ms();
    names_due(transport, now);
    while (transport->named.head != NULL)
    {
        transfer *of = transport->named.head;

        list_remove(&transport->named, of);
        of->state = TRANSFER_STARTING;
        transfer_run(of);
    }
    /* A pool that is made meanwhile is at the head of the list and has its turn in the next round. */
    for (pool *of = transport->pools; of != NULL; of = of->next)
        run_pool(of, now);
    pool_close_idle(transport, transport->lacks_descriptors);
    transport->lacks_descriptors = false;
}

const http_transport_functions *
http_transport_api(void)
{
    static const http_transport_functions functions = {
        .version = HTTP_TRANSPORT_VERSION,
        .open = transport_open,
        .close = transport_close,
        .configure = transport_configure,
        .fd = transport_fd,
        .timeout = transport_timeout,
        .has_room = transport_has_room,
        .start = transport_start,
        .end = transport_end,
        .run = transport_run,
        .next_answer = transport_next_answer,
        .in_flight = transport_in_flight,
    };

    return &functions;
}
