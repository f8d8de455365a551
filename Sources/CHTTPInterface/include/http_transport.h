/* SPDX-License-Identifier: PostgreSQL */
/*
 * HTTP requests on libcurl's multi interface: moves bytes, and knows neither workflows nor the server.
 *
 * One thread, no blocking call, names included: whoever drives it waits for `fd` to become readable, or for `timeout`
 * milliseconds, calls `run`, and takes the answers with `next_answer`. What may be reached is not decided here: the two
 * questions of `http_policy` are asked for every hop, about the host as libcurl itself has parsed it, and for every
 * address, before it is used and again when the connection is made or used again.
 */
#ifndef HTTP_TRANSPORT_H
#define HTTP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Changes with any change of this header: the library and its user come from one build. */
#define HTTP_TRANSPORT_VERSION 3

typedef struct http_transport http_transport;

/* Bytes with a length; not ended by NUL. */
typedef struct http_bytes
{
    const uint8_t *data;
    size_t length;
} http_bytes;

typedef struct http_request
{
    uint64_t id;    /* the caller's; not 0, and of no other request in flight */
    uint32_t owner; /* connections and memory are kept apart by it */
    http_bytes url;
    http_bytes method;
    bool has_body;
    http_bytes body;
    const http_bytes *headers; /* "Name: value" */
    size_t header_count;
    size_t memory;             /* what all of it counts, as `has_room` was asked */
    int64_t timeout_ms;        /* of the whole, names and redirects included */
    int32_t redirects_max;     /* 0: a redirect is an answer like any other */
    size_t response_size_max;  /* of the body, decoded */
    bool private_networks;     /* what the address question is told; also keeps connections apart */
    bool may_repeat;           /* whether libcurl may send it again when a reused connection turns out to be dead */
} http_request;

typedef enum http_outcome
{
    HTTP_ANSWERED,       /* status, headers and body hold */
    HTTP_FAILED_CONNECT, /* never connected: resolved, refused, TLS … */
    HTTP_FAILED_TIMEOUT,
    HTTP_FAILED_SIZE,    /* the body passed response_size_max */
    HTTP_FAILED_HEADERS, /* the header lines passed HTTP_HEADERS_MAX */
    HTTP_FAILED_MEMORY,  /* no room within `memory`, or the owner's share of it */
    HTTP_FAILED_BLOCKED, /* the policy's text is the message */
    HTTP_FAILED_INVALID, /* the request itself: URL, header */
    HTTP_FAILED_BODY,    /* broken off, or malformed, after the header lines */
    HTTP_FAILED_OTHER,   /* the same before */
} http_outcome;

#define HTTP_HEADERS_MAX (256 * 1024)

typedef struct http_response
{
    uint64_t id;
    uint32_t owner;
    http_outcome outcome;
    int32_t status;
    int64_t duration_ms;
    int64_t timeout_ms;     /* the request's */
    bool connected;         /* something may have left: whether the peer has acted on it is unknown */
    http_bytes headers;     /* "Name: value\n" of the last answer, in order; of a decoded body without its coding */
    const http_bytes *body; /* one piece after the other */
    size_t body_count;
    http_bytes message;     /* of a failure */
    http_bytes url;         /* the last hop's, as libcurl writes it */
} http_response;

/* Asked on behalf of requests; `context` is http_config's. */
typedef struct http_policy
{
    /* The host and port of a hop; false with a text of at most `size` - 1 bytes in `why`. */
    bool (*allow_host)(void *context, uint64_t id, const char *scheme, const char *host, int32_t port, char *why,
                       size_t size);
    /* 4 or 16 bytes in network order; false refuses the connection. */
    bool (*allow_address)(void *context, const uint8_t *address, size_t length, bool private_networks);
} http_policy;

typedef struct http_config
{
    const char *user_agent;
    const char *ca_file;     /* certificates in place of the system's; empty: the system's */
    const char *proxy;       /* empty: none, whatever the environment says */
    const char *dns_servers; /* as c-ares reads them, separated by commas; empty: the system's */
    int64_t memory;          /* most bytes of requests and answers that are kept here */
    int32_t pool_size;       /* most idle connections of one owner */
} http_config;

/* The library's one exported function: `http_transport_api()`. */
typedef struct http_transport_functions
{
    int32_t version;
    /* NULL when libcurl cannot be set up. Strings of the configuration are copied. */
    http_transport *(*open)(const http_policy *policy, void *context, const http_config *config);
    void (*close)(http_transport *transport);
    /* For the requests that are started from now on; false when there is no memory, and nothing has changed. */
    bool (*configure)(http_transport *transport, const http_config *config);
    /* An epoll descriptor, readable when there is something to do. */
    int (*fd)(http_transport *transport);
    /* Milliseconds until `run` is due anyway; -1: never. */
    int64_t (*timeout)(http_transport *transport);
    /* Whether a request of so many bytes has room; calls nothing and allocates nothing. `transport` is one. */
    bool (*has_room)(void *transport, uint32_t owner, size_t length);
    /* The request's bytes are copied. Its end is always an answer; false without memory even for that. */
    bool (*start)(http_transport *transport, const http_request *request);
    /* Ends a request, or forgets one that is answered; unknown ids are none. */
    void (*end)(http_transport *transport, uint64_t id);
    /* One round: what is due, and some of what the descriptors have. */
    void (*run)(http_transport *transport);
    /* The answer after that of `previous` (0: the first), which stays until `end`; NULL: no more. */
    const http_response *(*next_answer)(http_transport *transport, uint64_t previous);
    /* Requests that were not ended. */
    int32_t (*in_flight)(http_transport *transport);
} http_transport_functions;

const http_transport_functions *http_transport_api(void);

#endif
