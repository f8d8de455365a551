/* SPDX-License-Identifier: PostgreSQL */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <curl/curl.h>

#include "http_transport.h"

/* Bytes that grow. */
typedef struct buffer
{
    char *data;
    size_t length;
    size_t capacity;
} buffer;

/* False without memory; the buffer is unchanged then. */
bool buffer_append(buffer *to, const void *data, size_t length);
void buffer_free(buffer *of);

typedef struct transfer
{
    struct transfer *next;
    struct transfer *previous;
    http_transport *transport;
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers;
    curl_mime *mime;
    uint64_t id;
    bool is_added;
    bool private_networks;
    bool is_blocked;   /* refused by one of the policy's questions */
    bool is_too_large;
    bool is_connected;
    bool in_headers;
    int32_t redirects_left;
    size_t response_size_max;
    int64_t began_ms;
    int64_t deadline_ms;
    buffer header_lines;
    buffer body;
    buffer request_body;
    buffer method;
    bool has_body;
    char message[CURL_ERROR_SIZE + 512];
    char error[CURL_ERROR_SIZE];
    http_outcome invalid; /* a failure found before it started, else HTTP_ANSWERED */
} transfer;

struct http_transport
{
    http_config config;
    char *user_agent;
    char *ca_file;
    char *proxy;
    CURLM *multi[2]; /* connections of requests with private_networks serve no others */
    int epoll;
    int64_t due_ms[2]; /* libcurl's timers, by the monotonic clock; -1: none */
    transfer *transfers;
    transfer *stillborn; /* to be reported as failed by the next run */
    int32_t count;
};

int64_t transport_now_ms(void);

/* Sets up libcurl's handle for the request; false with `invalid` and `message` set. */
bool transfer_prepare(transfer *of, const http_request *request);
/* The next hop of a redirect; false when there is none to follow (the answer stands). */
bool transfer_redirect(transfer *of);
bool transfer_check_host(transfer *of);
/* Notes why it cannot go on; always false. */
bool transfer_fail(transfer *of, http_outcome outcome, const char *text);
void transfer_set_method(transfer *of);
/* What is left of its time. */
bool transfer_set_deadline(transfer *of);
void transfer_free(transfer *of);
void transfer_report(transfer *of, CURLcode code);

#endif
