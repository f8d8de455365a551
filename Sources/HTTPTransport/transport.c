/* SPDX-License-Identifier: PostgreSQL */
/* The transfers of one process: libcurl's sockets in an epoll set of ours, its timers, starts and ends. */
#include "transport.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* libcurl resolves names in threads of its own; the server's signals are for the thread that called us. */
static void
block_signals(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

static void
restore_signals(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int64_t
transport_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
on_socket_event(CURL *easy, curl_socket_t socket, int what, void *context, void *known)
{
    http_transport *transport = context;
    struct epoll_event event = {0};

    (void) easy;
    (void) known;
    if (what == CURL_POLL_REMOVE)
    {
        /* It may be closed already, which took it out of the set. */
        epoll_ctl(transport->epoll, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    event.data.fd = socket;
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(transport->epoll, EPOLL_CTL_MOD, socket, &event) != 0
        && epoll_ctl(transport->epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        return -1;
    return 0;
}

static int
set_due(http_transport *transport, int which, long timeout_ms)
{
    transport->due_ms[which] = timeout_ms < 0 ? -1 : transport_now_ms() + timeout_ms;
    return 0;
}

static int
on_timer_0(CURLM *multi, long timeout_ms, void *context)
{
    (void) multi;
    return set_due(context, 0, timeout_ms);
}

static int
on_timer_1(CURLM *multi, long timeout_ms, void *context)
{
    (void) multi;
    return set_due(context, 1, timeout_ms);
}

static void
transport_close(http_transport *transport)
{
    while (transport->transfers != NULL)
    {
        transfer *of = transport->transfers;

        transport->transfers = of->next;
        if (of->is_added)
            curl_multi_remove_handle(transport->multi[of->private_networks], of->easy);
        transfer_free(of);
    }
    while (transport->stillborn != NULL)
    {
        transfer *of = transport->stillborn;

        transport->stillborn = of->next;
        transfer_free(of);
    }
    for (int i = 0; i < 2; i++)
        if (transport->multi[i] != NULL)
            curl_multi_cleanup(transport->multi[i]);
    if (transport->epoll >= 0)
        close(transport->epoll);
    free(transport->user_agent);
    free(transport->ca_file);
    free(transport->proxy);
    free(transport);
}

static bool
set_up_multi(http_transport *transport, int which)
{
    CURLM *multi = curl_multi_init();

    transport->multi[which] = multi;
    transport->due_ms[which] = -1;
    if (multi == NULL)
        return false;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_event);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, transport);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, which == 0 ? on_timer_0 : on_timer_1);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, transport);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long) transport->config.connections_per_host);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 256L);
    return true;
}

static http_transport *
transport_open(const http_config *config)
{
    http_transport *transport = calloc(1, sizeof(http_transport));

    if (transport == NULL)
        return NULL;
    transport->epoll = -1;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    {
        transport_close(transport);
        return NULL;
    }
    transport->config = *config;
    transport->user_agent = strdup(config->user_agent);
    transport->ca_file = strdup(config->ca_file);
    transport->proxy = strdup(config->proxy);
    transport->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (transport->user_agent == NULL || transport->ca_file == NULL || transport->proxy == NULL
        || transport->epoll < 0 || !set_up_multi(transport, 0) || !set_up_multi(transport, 1))
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

static int64_t
transport_timeout(http_transport *transport)
{
    int64_t least = -1, now = transport_now_ms();

    if (transport->stillborn != NULL)
        return 0;
    for (int i = 0; i < 2; i++)
        if (transport->due_ms[i] >= 0 && (least < 0 || transport->due_ms[i] < least))
            least = transport->due_ms[i];
    if (least < 0)
        return -1;
    return least <= now ? 0 : least - now;
}

static void
unlink_transfer(transfer *of)
{
    http_transport *transport = of->transport;

    if (of->previous != NULL)
        of->previous->next = of->next;
    else if (transport->transfers == of)
        transport->transfers = of->next;
    if (of->next != NULL)
        of->next->previous = of->previous;
    of->next = of->previous = NULL;
    transport->count--;
}

static void
transport_start(http_transport *transport, const http_request *request)
{
    transfer *of = calloc(1, sizeof(transfer));
    sigset_t signals;
    bool is_taken;

    if (of == NULL)
    {
        static const char text[] = "out of memory";
        http_response response = {.id = request->id, .outcome = HTTP_FAILED_OTHER};

        response.message = (http_bytes){(const uint8_t *) text, sizeof(text) - 1};
        transport->config.policy.finished(transport->config.context, &response);
        return;
    }
    of->transport = transport;
    of->id = request->id;
    if (transfer_prepare(of, request))
    {
        block_signals(&signals);
        is_taken = curl_multi_add_handle(transport->multi[of->private_networks], of->easy) == CURLM_OK;
        restore_signals(&signals);
        if (is_taken)
        {
            of->is_added = true;
            of->next = transport->transfers;
            if (of->next != NULL)
                of->next->previous = of;
            transport->transfers = of;
            transport->count++;
            return;
        }
        of->invalid = HTTP_FAILED_OTHER;
        strcpy(of->message, "libcurl takes no more transfers");
    }
    of->next = transport->stillborn;
    transport->stillborn = of;
}

static void
transport_abort(http_transport *transport, uint64_t id)
{
    for (transfer *of = transport->transfers; of != NULL; of = of->next)
        if (of->id == id)
        {
            curl_multi_remove_handle(transport->multi[of->private_networks], of->easy);
            unlink_transfer(of);
            transfer_free(of);
            return;
        }
    for (transfer **of = &transport->stillborn; *of != NULL; of = &(*of)->next)
        if ((*of)->id == id)
        {
            transfer *found = *of;

            *of = found->next;
            transfer_free(found);
            return;
        }
}

static void
finish(http_transport *transport, int which)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(transport->multi[which], &left)) != NULL)
    {
        transfer *of = NULL;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &of);
        curl_multi_remove_handle(transport->multi[which], easy);
        of->is_added = false;
        if (code == CURLE_OK && transfer_redirect(of)
            && curl_multi_add_handle(transport->multi[which], easy) == CURLM_OK)
        {
            of->is_added = true;
            continue;
        }
        unlink_transfer(of);
        transfer_report(of, code);
        transfer_free(of);
    }
}

static void
transport_run(http_transport *transport)
{
    struct epoll_event events[64];
    sigset_t signals;
    int count, running;

    block_signals(&signals);
    do
    {
        count = epoll_wait(transport->epoll, events, 64, 0);
        for (int i = 0; i < count; i++)
        {
            int flags = 0;

            if (events[i].events & EPOLLIN)
                flags |= CURL_CSELECT_IN;
            if (events[i].events & EPOLLOUT)
                flags |= CURL_CSELECT_OUT;
            if (events[i].events & (EPOLLERR | EPOLLHUP))
                flags |= CURL_CSELECT_ERR | CURL_CSELECT_IN;
            /* The handle that does not know the socket looks at its timers only. */
            for (int which = 0; which < 2; which++)
                curl_multi_socket_action(transport->multi[which], events[i].data.fd, flags, &running);
        }
    } while (count == 64);
    for (int which = 0; which < 2; which++)
    {
        if (transport->due_ms[which] >= 0 && transport->due_ms[which] <= transport_now_ms())
        {
            transport->due_ms[which] = -1;
            curl_multi_socket_action(transport->multi[which], CURL_SOCKET_TIMEOUT, 0, &running);
        }
        finish(transport, which);
    }
    while (transport->stillborn != NULL)
    {
        transfer *of = transport->stillborn;

        transport->stillborn = of->next;
        transfer_report(of, CURLE_OK);
        transfer_free(of);
    }
    restore_signals(&signals);
}

static int32_t
transport_in_flight(http_transport *transport)
{
    return transport->count;
}

const http_transport_functions *
http_transport_api(void)
{
    static const http_transport_functions functions = {
        .version = HTTP_TRANSPORT_VERSION,
        .open = transport_open,
        .close = transport_close,
        .fd = transport_fd,
        .timeout = transport_timeout,
        .start = transport_start,
        .abort = transport_abort,
        .run = transport_run,
        .in_flight = transport_in_flight,
    };

    return &functions;
}
