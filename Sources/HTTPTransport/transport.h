/* SPDX-License-Identifier: PostgreSQL */
/*
 * A transfer is one request from its start to its release:
 *
 *     start ─▶ names ─▶ libcurl ─▶ finished ─▶ released
 *                ▲         │
 *                └ redirect┘
 *
 * All of them are in one table by id; each state but libcurl's has a list of its own.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <curl/curl.h>

#include "http_transport.h"

#define ADDRESSES_MAX 16
/* An idle pool is closed after so long. */
#define POOL_IDLE_MS 60000
#define BUCKETS 4096

typedef struct address
{
    uint8_t bytes[16];
    uint8_t length; /* 4 or 16 */
} address;

/* Settings of requests that were started between two changes; goes with the last of them and its pools. */
typedef struct configuration
{
    int32_t references;
    uint32_t number;
    char *user_agent;
    char *ca_file;
    char *proxy;       /* as libcurl takes it; empty: none */
    char *proxy_host;
    char *dns_servers;
    int32_t proxy_port;
    int32_t pool_size;
    char *fault;       /* why no request can be made with it */
} configuration;

/* Connections of one owner, with or without private networks, under one configuration: nobody else uses them. */
typedef struct pool
{
    struct pool *next;
    http_transport *transport;
    configuration *config;
    uint32_t owner;
    bool private_networks;
    uint32_t source;   /* what its descriptors are tagged with */
    CURLM *multi;
    int64_t due_ms;    /* libcurl's timer, by the monotonic clock; -1: none */
    int32_t count;     /* transfers in it */
    int64_t idle_ms;   /* since when it has none */
} pool;

/* What an owner has of the memory. */
typedef struct account
{
    struct account *next;
    uint32_t owner;
    int64_t used;
    int32_t references;
} account;

/* A piece of a body. */
typedef struct chunk
{
    struct chunk *next;
    size_t length;
    size_t capacity;
    char data[];
} chunk;

/* Bytes that grow. */
typedef struct buffer
{
    char *data;
    size_t length;
    size_t capacity;
} buffer;

struct name;

typedef enum transfer_state
{
    TRANSFER_STARTING,
    TRANSFER_NAMING,   /* waits for addresses, in a name's list and the transport's */
    TRANSFER_NAMED,    /* they are there, or a failure is */
    TRANSFER_RUNNING,  /* libcurl has it */
    TRANSFER_FINISHED  /* its answer waits to be taken */
} transfer_state;

typedef struct transfer
{
    transfer_state state;
    struct transfer *next;      /* in the transport's list of its state */
    struct transfer *previous;
    struct transfer *bucket_next;
    struct transfer *name_next; /* in the list of the name it waits for */
    struct name *name;
    http_transport *transport;
    configuration *config;
    account *account;
    pool *pool;
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers;
    struct curl_slist *resolve;
    uint64_t id;
    bool private_networks;
    bool may_repeat;
    bool is_literal;   /* the host to connect to is an address */
    bool is_connected;
    bool is_answered;  /* the header lines of a final answer are complete */
    bool uses_directory; /* of the system's certificates, as its file did not do */
    bool lost_name;    /* libcurl wanted to resolve by itself */
    int32_t redirects_left;
    bool follows;
    size_t response_size_max;
    int64_t began_ms;
    int64_t deadline_ms;
    int64_t timeout_ms;
    int64_t charged;   /* of the account */
    address addresses[ADDRESSES_MAX];
    int32_t address_count;
    buffer header_lines;
    chunk *body;
    chunk *body_end;
    size_t body_length;
    size_t chunk_count;
    buffer request_body;
    bool has_body;
    char *method;
    http_outcome failure; /* one that was found here; else HTTP_ANSWERED */
    char message[CURL_ERROR_SIZE + 512];
    char error[CURL_ERROR_SIZE];
    http_response response;
    http_bytes *pieces;
    char *response_url; /* libcurl's */
} transfer;

typedef struct transfer_list
{
    transfer *head;
    transfer *tail;
} transfer_list;

struct http_transport
{
    http_policy policy;
    void *context;
    configuration *config;
    pool *pools;
    account *accounts;
    struct resolver *resolvers;
    struct name *names;
    int64_t memory;
    int64_t used;
    int epoll;
    uint32_t sources;      /* tags given out */
    uint32_t configurations;
    int32_t count;
    bool has_more;         /* the last round left descriptors unread */
    bool lacks_descriptors;
    transfer_list naming;
    transfer_list named;
    transfer_list running;
    transfer_list finished;
    transfer *buckets[BUCKETS];
};

/* transport.c */
int64_t transport_now_ms(void);
void list_append(transfer_list *list, transfer *of);
void list_remove(transfer_list *list, transfer *of);
/* Watches a descriptor for a source; `events` 0: not any more. */
bool transport_watch(http_transport *transport, uint32_t source, int descriptor, uint32_t events);

/* memory.c */
bool buffer_append(buffer *to, const void *data, size_t length);
void buffer_free(buffer *of);
/* False when the account has no room, which is the transfer's failure. */
bool transfer_charge(transfer *of, size_t bytes);
void transfer_uncharge(transfer *of);
bool body_append(transfer *of, const char *data, size_t length);
void body_free(transfer *of);
account *account_open(http_transport *transport, uint32_t owner);
void account_close(http_transport *transport, account *of);
bool transport_has_room(void *transport, uint32_t owner, size_t length);

/* pool.c */
configuration *configuration_make(http_transport *transport, const http_config *config);
void configuration_release(configuration *of);
/* The pool of these transfers, made when there is none; NULL without memory. */
pool *pool_get(http_transport *transport, const transfer *of);
void pool_close_idle(http_transport *transport, bool at_once);
pool *pool_by_source(http_transport *transport, uint32_t source);

/* names.c */
bool names_start(void);
/* The addresses of a host, then `named`; also at once. */
void names_ask(transfer *of, const char *host);
/* The transfer does not wait any more. */
void names_forget(transfer *of);
/* False when the source is none of its. */
bool names_event(http_transport *transport, uint32_t source, int descriptor, uint32_t events);
void names_due(http_transport *transport, int64_t now);
int64_t names_timeout(http_transport *transport);
void names_close(http_transport *transport);

/* check.c: what may be reached */
/* As name servers know it, in ASCII. */
CURLUcode url_get_host(CURLU *url, char **host);
bool transfer_parse_url(transfer *of, http_bytes text);
bool transfer_check_host(transfer *of);
/* Whether the host of a URL is an address as such. */
bool read_literal(const char *host, address *to);
/* Takes out the addresses that the policy refuses; false when none is left. */
bool transfer_check_addresses(transfer *of);
curl_socket_t transfer_on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address);
int transfer_on_prereq(void *context, char *remote, char *local, int remote_port, int local_port);
int transfer_on_resolve(void *resolver, void *reserved, void *context);

/* request.c */
char *string_of(http_bytes bytes);
/* Sets up libcurl's handle for the request; false with `failure` and `message` set. */
bool transfer_prepare(transfer *of, const http_request *request);
void transfer_set_method(transfer *of);
/* What is left of its time. */
bool transfer_set_deadline(transfer *of);
/* Whom to trust: what the settings say, else the system's file, or its directory. */
bool transfer_set_authorities(transfer *of);

/* redirect.c */
/* Goes on to where the answer points; false when it does not, or must not, which is noted as a failure. */
bool transfer_follow(transfer *of);

/* transfer.c: from one state to the next */
transfer *transfer_new(http_transport *transport, const http_request *request);
void transfer_aim(transfer *of);
void transfer_run(transfer *of);
/* libcurl is done with it. */
void transfer_ended(transfer *of, CURLcode code);
void transfer_finish(transfer *of, CURLcode code);
void transfer_free(transfer *of);
/* Notes why it cannot go on; always false. */
bool transfer_fail(transfer *of, http_outcome outcome, const char *text);

#endif
