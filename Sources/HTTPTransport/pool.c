/* SPDX-License-Identifier: PostgreSQL */
/* Configurations, and the pools of connections that belong to one owner under one of them. */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <ares.h>

static int
on_socket_event(CURL *easy, curl_socket_t descriptor, int what, void *context, void *known)
{
    pool *of = context;
    uint32_t events = 0;

    (void) easy;
    (void) known;
    if (what != CURL_POLL_REMOVE)
        events = ((what & CURL_POLL_IN) ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0);
    return transport_watch(of->transport, of->source, descriptor, events) ? 0 : -1;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *context)
{
    pool *of = context;

    (void) multi;
    of->due_ms = timeout_ms < 0 ? -1 : transport_now_ms() + timeout_ms;
    return 0;
}

static void
pool_close(http_transport *transport, pool *of)
{
    pool **link = &transport->pools;

    while (*link != of)
        link = &(*link)->next;
    *link = of->next;
    curl_multi_cleanup(of->multi);
    configuration_release(of->config);
    free(of);
}

static pool *
pool_open(http_transport *transport, const transfer *first)
{
    pool *of = calloc(1, sizeof(pool));
    bool ok;

    if (of == NULL)
        return NULL;
    of->multi = curl_multi_init();
    if (of->multi == NULL)
    {
        free(of);
        return NULL;
    }
    of->transport = transport;
    of->owner = first->account->owner;
    of->private_networks = first->private_networks;
    of->source = ++transport->sources;
    of->due_ms = -1;
    of->idle_ms = transport_now_ms();
    of->config = first->config;
    of->config->references++;
    of->next = transport->pools;
    transport->pools = of;
    ok = curl_multi_setopt(of->multi, CURLMOPT_SOCKETFUNCTION, on_socket_event) == CURLM_OK
         && curl_multi_setopt(of->multi, CURLMOPT_SOCKETDATA, of) == CURLM_OK
         && curl_multi_setopt(of->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK
         && curl_multi_setopt(of->multi, CURLMOPT_TIMERDATA, of) == CURLM_OK
         && curl_multi_setopt(of->multi, CURLMOPT_MAXCONNECTS, (long) of->config->pool_size) == CURLM_OK;
    if (ok)
        return of;
    pool_close(transport, of);
    return NULL;
}

pool *
pool_get(http_transport *transport, const transfer *wanted)
{
    for (pool *of = transport->pools; of != NULL; of = of->next)
        if (of->owner == wanted->account->owner && of->private_networks == wanted->private_networks
            && of->config == wanted->config)
            return of;
    return pool_open(transport, wanted);
}

pool *
pool_by_source(http_transport *transport, uint32_t source)
{
    pool *of = transport->pools;

    while (of != NULL && of->source != source)
        of = of->next;
    return of;
}

void
pool_close_idle(http_transport *transport, bool at_once)
{
    int64_t now = transport_now_ms();
    pool *next;

    for (pool *of = transport->pools; of != NULL; of = next)
    {
        next = of->next;
        if (of->count == 0
            && (at_once || of->config != transport->config || now - of->idle_ms >= POOL_IDLE_MS))
            pool_close(transport, of);
    }
}

/* ---------------------------------------------------------------- configurations */

static void
set_fault(configuration *of, const char *text, const char *why)
{
    size_t length = strlen(text) + strlen(why) + 3;

    free(of->fault);
    of->fault = malloc(length);
    if (of->fault != NULL)
        snprintf(of->fault, length, "%s: %s", text, why);
}

/* The proxy's own name is resolved here, too, and its port is what may be connected to. */
static bool
read_proxy(configuration *of, const char *text)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLUcode code = url == NULL ? CURLUE_OUT_OF_MEMORY
                                 : curl_url_set(url, CURLUPART_URL, text, CURLU_GUESS_SCHEME);

    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        code = CURLUE_UNSUPPORTED_SCHEME;
    if (code == CURLUE_OK)
        code = url_get_host(url, &host);
    if (code == CURLUE_OK)
        code = curl_url_set(url, CURLUPART_HOST, host, 0);
    if (code == CURLUE_OK && curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_NO_PORT)
        /* What libcurl takes for a proxy without a port. */
        code = curl_url_set(url, CURLUPART_PORT, strcmp(scheme, "https") == 0 ? "443" : "1080", 0);
    if (code == CURLUE_OK && port == NULL)
        code = curl_url_get(url, CURLUPART_PORT, &port, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_URL, &of->proxy, 0);
    if (code == CURLUE_OK)
    {
        of->proxy_host = host;
        of->proxy_port = atoi(port);
        host = NULL;
    }
    else if (code != CURLUE_OUT_OF_MEMORY)
        set_fault(of, "the proxy of the settings cannot be used", curl_url_strerror(code));
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return code != CURLUE_OUT_OF_MEMORY;
}

/* c-ares has no other way to tell whether it likes a list than to take it. */
static void
check_servers(configuration *of)
{
    ares_channel channel;
    int code;

    if (of->dns_servers[0] == '\0' || ares_init(&channel) != ARES_SUCCESS)
        return;
    code = ares_set_servers_ports_csv(channel, of->dns_servers);
    if (code != ARES_SUCCESS)
        set_fault(of, "the name servers of the settings cannot be used", ares_strerror(code));
    ares_destroy(channel);
}

configuration *
configuration_make(http_transport *transport, const http_config *config)
{
    configuration *of = calloc(1, sizeof(configuration));
    bool ok;

    if (of == NULL)
        return NULL;
    of->references = 1;
    of->number = ++transport->configurations;
    of->pool_size = config->pool_size > 0 ? config->pool_size : 1;
    of->user_agent = strdup(config->user_agent);
    of->ca_file = strdup(config->ca_file);
    of->dns_servers = strdup(config->dns_servers);
    ok = of->user_agent != NULL && of->ca_file != NULL && of->dns_servers != NULL
         && (config->proxy[0] == '\0' || read_proxy(of, config->proxy));
    if (!ok)
    {
        configuration_release(of);
        return NULL;
    }
    check_servers(of);
    return of;
}

void
configuration_release(configuration *of)
{
    if (of == NULL || --of->references > 0)
        return;
    free(of->user_agent);
    free(of->ca_file);
    free(of->dns_servers);
    free(of->fault);
    curl_free(of->proxy);
    curl_free(of->proxy_host);
    free(of);
}
