/* SPDX-License-Identifier: PostgreSQL */
/* A transfer from one state to the next: addresses, libcurl, what it came to. */
#include "transport.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
transfer_fail(transfer *of, http_outcome outcome, const char *text)
{
    of->failure = outcome;
    snprintf(of->message, sizeof(of->message), "%s", text);
    return false;
}

transfer *
transfer_new(http_transport *transport, const http_request *request)
{
    transfer *of = calloc(1, sizeof(transfer));
    transfer **bucket = &transport->buckets[(request->id ^ request->id >> 32) % BUCKETS];

    if (of == NULL || (of->account = account_open(transport, request->owner)) == NULL)
    {
        free(of);
        return NULL;
    }
    of->transport = transport;
    of->config = transport->config;
    of->config->references++;
    of->id = request->id;
    of->private_networks = request->private_networks;
    of->may_repeat = request->may_repeat;
    of->redirects_left = request->redirects_max;
    of->follows = request->redirects_max > 0;
    of->response_size_max = request->response_size_max;
    of->timeout_ms = request->timeout_ms;
    of->began_ms = transport_now_ms();
    of->deadline_ms = of->began_ms + request->timeout_ms;
    /* There was room for it when it was taken. */
    of->charged = (int64_t) request->memory;
    of->account->used += of->charged;
    transport->used += of->charged;
    of->bucket_next = *bucket;
    *bucket = of;
    transport->count++;
    return of;
}

void
transfer_free(transfer *of)
{
    http_transport *transport = of->transport;
    transfer **link = &transport->buckets[(of->id ^ of->id >> 32) % BUCKETS];

    while (*link != of)
        link = &(*link)->bucket_next;
    *link = of->bucket_next;
    transport->count--;
    names_forget(of);
    if (of->state == TRANSFER_NAMING)
        list_remove(&transport->naming, of);
    else if (of->state == TRANSFER_NAMED)
        list_remove(&transport->named, of);
    else if (of->state == TRANSFER_FINISHED)
        list_remove(&transport->finished, of);
    else if (of->state == TRANSFER_RUNNING)
    {
        curl_multi_remove_handle(of->pool->multi, of->easy);
        list_remove(&transport->running, of);
        of->pool->count--;
        of->pool->idle_ms = transport_now_ms();
    }
    body_free(of);
    transfer_uncharge(of);
    account_close(transport, of->account);
    curl_easy_cleanup(of->easy);
    curl_url_cleanup(of->url);
    curl_slist_free_all(of->headers);
    curl_slist_free_all(of->resolve);
    curl_free(of->response_url);
    buffer_free(&of->header_lines);
    buffer_free(&of->request_body);
    configuration_release(of->config);
    free(of->method);
    free(of->pieces);
    free(of);
}

/* ---------------------------------------------------------------- on its way */

void
transfer_aim(transfer *of)
{
    char *host = NULL;

    of->lost_name = false;
    if (of->config->proxy == NULL && curl_url_get(of->url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
    {
        transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
        transfer_finish(of, CURLE_OK);
        return;
    }
    of->is_literal = read_literal(host != NULL ? host : of->config->proxy_host, &of->addresses[0]);
    of->address_count = of->is_literal ? 1 : 0;
    if (of->is_literal)
        transfer_run(of);
    else
        names_ask(of, host != NULL ? host : of->config->proxy_host);
    curl_free(host);
}

/* What libcurl shall find in its cache: "+host:port:address,address…". */
static bool
set_addresses(transfer *of)
{
    char *host = NULL, *port = NULL, number[16];
    buffer text = {0};
    bool ok = true;

    curl_slist_free_all(of->resolve);
    of->resolve = NULL;
    if (of->is_literal)
        return curl_easy_setopt(of->easy, CURLOPT_RESOLVE, NULL) == CURLE_OK;
    snprintf(number, sizeof(number), "%d", (int) of->config->proxy_port);
    if (of->config->proxy == NULL)
        ok = curl_url_get(of->url, CURLUPART_HOST, &host, 0) == CURLUE_OK
             && curl_url_get(of->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    ok = ok && buffer_append(&text, "+", 1);
    if (ok)
    {
        const char *name = host != NULL ? host : of->config->proxy_host;
        const char *digits = port != NULL ? port : number;

        ok = buffer_append(&text, name, strlen(name)) && buffer_append(&text, ":", 1)
             && buffer_append(&text, digits, strlen(digits));
    }
    for (int32_t i = 0; i < of->address_count && ok; i++)
    {
        char shown[INET6_ADDRSTRLEN], item[INET6_ADDRSTRLEN + 4];
        bool is_four = of->addresses[i].length == 4;

        inet_ntop(is_four ? AF_INET : AF_INET6, of->addresses[i].bytes, shown, sizeof(shown));
        snprintf(item, sizeof(item), is_four ? "%s%s" : "%s[%s]", i == 0 ? ":" : ",", shown);
        ok = buffer_append(&text, item, strlen(item));
    }
    if (ok)
        of->resolve = curl_slist_append(NULL, text.data);
    buffer_free(&text);
    curl_free(host);
    curl_free(port);
    return of->resolve != NULL && curl_easy_setopt(of->easy, CURLOPT_RESOLVE, of->resolve) == CURLE_OK;
}

void
transfer_run(transfer *of)
{
    if (of->failure == HTTP_ANSWERED && transfer_check_addresses(of))
    {
        of->pool = pool_get(of->transport, of);
        if (of->pool == NULL || !set_addresses(of) || !transfer_set_deadline(of)
            || curl_multi_add_handle(of->pool->multi, of->easy) != CURLM_OK)
            transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    }
    if (of->failure != HTTP_ANSWERED)
    {
        transfer_finish(of, CURLE_OK);
        return;
    }
    of->state = TRANSFER_RUNNING;
    of->pool->count++;
    list_append(&of->transport->running, of);
}

/* ---------------------------------------------------------------- the end */

static bool
may_use_directory(const transfer *of)
{
    char *directory = NULL;

    curl_easy_getinfo(of->easy, CURLINFO_CAPATH, &directory);
    return of->failure == HTTP_ANSWERED && !of->uses_directory && of->config->ca_file[0] == '\0'
           && directory != NULL && transport_now_ms() < of->deadline_ms;
}

void
transfer_ended(transfer *of, CURLcode code)
{
    curl_multi_remove_handle(of->pool->multi, of->easy);
    list_remove(&of->transport->running, of);
    of->state = TRANSFER_STARTING;
    of->pool->count--;
    of->pool->idle_ms = transport_now_ms();
    of->pool = NULL;
    if (code == CURLE_OK)
    {
        if (!transfer_follow(of))
            transfer_finish(of, code);
    }
    /* A connection was dead when it was to be used again, and by then libcurl had forgotten the addresses. */
    else if (of->lost_name && of->may_repeat && of->failure == HTTP_ANSWERED)
        transfer_aim(of);
    /* Nothing has been sent to a peer that is not known. */
    else if (code == CURLE_PEER_FAILED_VERIFICATION && may_use_directory(of))
    {
        of->uses_directory = true;
        if (transfer_set_authorities(of))
            transfer_aim(of);
        else
            transfer_finish(of, code);
    }
    else
        transfer_finish(of, code);
}

static http_outcome
outcome_of(const transfer *of, CURLcode code)
{
    if (of->failure != HTTP_ANSWERED)
        return of->failure;
    if (code == CURLE_OK)
        return HTTP_ANSWERED;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return HTTP_FAILED_TIMEOUT;
    if (!of->is_connected)
        return HTTP_FAILED_CONNECT;
    return of->is_answered ? HTTP_FAILED_BODY : HTTP_FAILED_OTHER;
}

static bool
is_field(const char *line, size_t length, const char *name)
{
    return length >= strlen(name) && strncasecmp(line, name, strlen(name)) == 0;
}

/* Of a body that libcurl has decoded, the fields that speak of its coded form go. */
static void
drop_coding(buffer *lines)
{
    bool is_coded = false;
    size_t kept = 0, end;

    for (int pass = 0; pass < 2; pass++)
    {
        if (pass == 1 && !is_coded)
            return;
        for (size_t at = 0; at < lines->length; at = end + 1)
        {
            const char *line = lines->data + at;
            const char *stop = memchr(line, '\n', lines->length - at);
            size_t length;

            end = stop == NULL ? lines->length : (size_t) (stop - lines->data);
            length = end - at;
            if (pass == 0)
                is_coded = is_coded
                           || (is_field(line, length, "content-encoding:")
                               && strncasecmp(line + 17 + strspn(line + 17, " \t"), "identity", 8) != 0);
            else if (!is_field(line, length, "content-encoding:") && !is_field(line, length, "content-length:"))
            {
                memmove(lines->data + kept, line, length + (stop != NULL));
                kept += length + (stop != NULL);
            }
        }
    }
    lines->length = kept;
}

/* For whoever asked: libcurl's own words would tell him of files of the server. */
static const char *
message_of(const transfer *of, CURLcode code)
{
    if (of->failure != HTTP_ANSWERED)
        return of->message;
    if (code == CURLE_SSL_CACERT_BADFILE)
        return "the certificates to trust cannot be read";
    return of->error[0] != '\0' ? of->error : curl_easy_strerror(code);
}

static bool
list_pieces(transfer *of)
{
    size_t i = 0;

    of->pieces = calloc(of->chunk_count + 1, sizeof(http_bytes));
    if (of->pieces == NULL)
        return transfer_fail(of, HTTP_FAILED_MEMORY, "");
    for (chunk *piece = of->body; piece != NULL; piece = piece->next)
        of->pieces[i++] = (http_bytes){(const uint8_t *) piece->data, piece->length};
    of->response.body = of->pieces;
    of->response.body_count = i;
    return true;
}

void
transfer_finish(transfer *of, CURLcode code)
{
    http_response *response = &of->response;
    long status = 0;

    response->outcome = outcome_of(of, code);
    if (response->outcome == HTTP_ANSWERED && !list_pieces(of))
        response->outcome = of->failure;
    response->id = of->id;
    response->owner = of->account->owner;
    response->duration_ms = transport_now_ms() - of->began_ms;
    response->timeout_ms = of->timeout_ms;
    response->connected = of->is_connected;
    if (response->outcome == HTTP_ANSWERED)
    {
        curl_easy_getinfo(of->easy, CURLINFO_RESPONSE_CODE, &status);
        response->status = (int32_t) status;
        drop_coding(&of->header_lines);
        response->headers = (http_bytes){(const uint8_t *) of->header_lines.data, of->header_lines.length};
    }
    else
    {
        const char *text = message_of(of, code);

        body_free(of);
        response->message = (http_bytes){(const uint8_t *) text, strlen(text)};
    }
    if (of->url != NULL && curl_url_get(of->url, CURLUPART_URL, &of->response_url, 0) == CURLUE_OK)
        response->url = (http_bytes){(const uint8_t *) of->response_url, strlen(of->response_url)};
    /* What libcurl holds for it is not needed any more, however long the answer has to wait. */
    curl_easy_cleanup(of->easy);
    of->easy = NULL;
    of->state = TRANSFER_FINISHED;
    list_append(&of->transport->finished, of);
}
