/* SPDX-License-Identifier: PostgreSQL */
/*
 * HTTP requests on libcurl's multi interface: moves bytes, and knows neither workflows nor the server.
 *
 * One thread, no blocking call: whoever drives it waits for `http_transport_fd` to become readable, or for
 * `http_transport_timeout` milliseconds, and calls `http_transport_run`. What may be reached is not decided here: the
 * two questions of `http_policy` are asked for every hop, about the host as libcurl itself has parsed it, and for every
 * connection, about the address that is about to be used.
 */
#ifndef HTTP_TRANSPORT_H
#define HTTP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Changes with any change of this header: the library and its user come from one build. */
#define HTTP_TRANSPORT_VERSION 1

typedef struct http_transport http_transport;

/* Bytes with a length; not ended by NUL. */
typedef struct http_bytes
{
    const uint8_t *data;
    size_t length;
} http_bytes;

/* A part of a multipart/form-data body; `filename` and `content_type` without data are absent. */
typedef struct http_part
{
    http_bytes name;
    http_bytes filename;
    http_bytes content_type;
    http_bytes data;
} http_part;

typedef struct http_request
{
    uint64_t id; /* the caller's; not 0, and of no other request in flight */
    http_bytes url;
    http_bytes method;
    bool has_body;
    http_bytes body;
    const http_bytes *headers; /* "Name: value" */
    size_t header_count;
    const http_part *parts; /* a multipart body, in place of `body` */
    size_t part_count;
    int64_t timeout_ms;        /* of the whole, redirects included */
    int32_t redirects_max;     /* 0: a redirect is an answer like any other */
    size_t response_size_max;  /* of the body, decoded */
    bool private_networks;     /* what the address question is told; also keeps connections apart */
} http_request;

typedef enum http_outcome
{
    HTTP_ANSWERED,          /* status, headers and body hold */
    HTTP_FAILED_CONNECT,    /* never connected: resolved, refused, TLS … */
    HTTP_FAILED_TIMEOUT,
    HTTP_FAILED_SIZE,       /* the body passed response_size_max */
    HTTP_FAILED_BLOCKED,    /* the policy's text is the message */
    HTTP_FAILED_INVALID,    /* the request itself: URL, part, header */
    HTTP_FAILED_OTHER,      /* broken off, malformed … */
} http_outcome;

typedef struct http_response
{
    uint64_t id;
    http_outcome outcome;
    int32_t status;
    int64_t duration_ms;
    bool connected;       /* something may have left: whether the peer has acted on it is unknown */
    http_bytes headers;   /* "Name: value\n" of the last answer, in order */
    http_bytes body;
    http_bytes message;   /* of a failure */
} http_response;

/* Asked on behalf of requests; `context` is http_config's. All calls come from within http_transport_run or _start. */
typedef struct http_policy
{
    /* The host and port of a hop; false with a text of at most `size` - 1 bytes in `why`. */
    bool (*allow_host)(void *context, uint64_t id, const char *scheme, const char *host, int32_t port, char *why,
                       size_t size);
    /* 4 or 16 bytes in network order; false refuses the connection. */
    bool (*allow_address)(void *context, const uint8_t *address, size_t length, bool private_networks);
    /* The end of a request; `response` lives during the call. No call into the transport from within. */
    void (*finished)(void *context, const http_response *response);
} http_policy;

typedef struct http_config
{
    void *context;
    http_policy policy;
    const char *user_agent;
    const char *ca_file; /* empty: the system's store */
    const char *proxy;   /* empty: none, whatever the environment says */
    int32_t connections_per_host;
} http_config;

/* The library's one exported function: `http_transport_api()`. */
typedef struct http_transport_functions
{
    int32_t version;
    /* NULL when libcurl cannot be set up. Strings of the configuration are copied. */
    http_transport *(*open)(const http_config *config);
    void (*close)(http_transport *transport);
    /* An epoll descriptor, readable when there is something to do. */
    int (*fd)(http_transport *transport);
    /* Milliseconds until http_transport_run is due anyway; -1: never. */
    int64_t (*timeout)(http_transport *transport);
    /* The request's bytes are copied. Its end is always reported by `finished`, at the earliest in the next run. */
    void (*start)(http_transport *transport, const http_request *request);
    /* Ends a request without a report; unknown ids are none. */
    void (*abort)(http_transport *transport, uint64_t id);
    void (*run)(http_transport *transport);
    int32_t (*in_flight)(http_transport *transport);
} http_transport_functions;

const http_transport_functions *http_transport_api(void);

#endif
