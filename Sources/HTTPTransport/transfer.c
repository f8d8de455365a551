/* SPDX-License-Identifier: PostgreSQL */
/* The end of a request: redirects, what it came to, and its memory. */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
buffer_append(buffer *to, const void *data, size_t length)
{
    if (length > SIZE_MAX / 4 - to->length)
        return false;
    if (to->length + length + 1 > to->capacity)
    {
        size_t capacity = to->capacity == 0 ? 256 : to->capacity;
        char *grown;

        while (capacity < to->length + length + 1)
            capacity *= 2;
        grown = realloc(to->data, capacity);
        if (grown == NULL)
            return false;
        to->data = grown;
        to->capacity = capacity;
    }
    if (length > 0)
        memcpy(to->data + to->length, data, length);
    to->length += length;
    to->data[to->length] = '\0';
    return true;
}

void
buffer_free(buffer *of)
{
    free(of->data);
    memset(of, 0, sizeof(*of));
}

/* Removes headers that another host must not see. */
static bool
drop_secrets(transfer *of)
{
    struct curl_slist *kept = NULL;

    for (struct curl_slist *line = of->headers; line != NULL; line = line->next)
    {
        static const char *const harmless[] = {"Accept:", "Accept-Language:", "Content-Type:", "User-Agent:",
                                               "Expect:", "Idempotency-Key:"};
        bool keep = false;

        for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
            keep = keep || strncasecmp(line->data, harmless[i], strlen(harmless[i])) == 0;
        if (keep)
        {
            struct curl_slist *longer = curl_slist_append(kept, line->data);

            if (longer == NULL)
            {
                curl_slist_free_all(kept);
                return false;
            }
            kept = longer;
        }
    }
    curl_easy_setopt(of->easy, CURLOPT_HTTPHEADER, kept);
    curl_slist_free_all(of->headers);
    of->headers = kept;
    return true;
}

static bool
same_origin(CURLU *a, CURLU *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    bool same = true;

    for (size_t i = 0; i < 3 && same; i++)
    {
        char *x = NULL, *y = NULL;

        same = curl_url_get(a, parts[i], &x, CURLU_DEFAULT_PORT) == CURLUE_OK
               && curl_url_get(b, parts[i], &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    return same;
}

bool
transfer_redirect(transfer *of)
{
    char *location = NULL;
    long status = 0;
    CURLU *from;

    curl_easy_getinfo(of->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(of->easy, CURLINFO_REDIRECT_URL, &location);
    if (of->redirects_left <= 0 || location == NULL || transport_now_ms() >= of->deadline_ms)
        return false;
    of->redirects_left--;
    from = curl_url_dup(of->url);
    if (from == NULL)
        return false;
    if (curl_url_set(of->url, CURLUPART_URL, location, CURLU_DISALLOW_USER) != CURLUE_OK)
        transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: the redirect's URL is not allowed");
    else if (transfer_check_host(of) && !same_origin(from, of->url) && !drop_secrets(of))
        transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    curl_url_cleanup(from);
    if (of->invalid != HTTP_ANSWERED)
        return false;
    /* As browsers and libcurl do: 303 always, and 301 and 302 of a POST, go on with GET. */
    if (status == 303 || ((status == 301 || status == 302) && strcmp(of->method.data, "POST") == 0))
    {
        of->method.length = 0;
        buffer_append(&of->method, "GET", 3);
        of->has_body = false;
        curl_easy_setopt(of->easy, CURLOPT_MIMEPOST, NULL);
        curl_mime_free(of->mime);
        of->mime = NULL;
        curl_easy_setopt(of->easy, CURLOPT_CUSTOMREQUEST, NULL);
        transfer_set_method(of);
    }
    of->header_lines.length = 0;
    of->body.length = 0;
    curl_easy_setopt(of->easy, CURLOPT_CURLU, of->url);
    return transfer_set_deadline(of);
}

void
transfer_report(transfer *of, CURLcode code)
{
    http_response response = {.id = of->id, .connected = of->is_connected};
    const char *text = of->error[0] != '\0' ? of->error : curl_easy_strerror(code);
    long status = 0;

    response.duration_ms = transport_now_ms() - of->began_ms;
    if (of->invalid != HTTP_ANSWERED)
    {
        response.outcome = of->invalid;
        text = of->message;
    }
    else if (code == CURLE_OK)
    {
        curl_easy_getinfo(of->easy, CURLINFO_RESPONSE_CODE, &status);
        response.status = (int32_t) status;
        response.headers = (http_bytes){(const uint8_t *) of->header_lines.data, of->header_lines.length};
        response.body = (http_bytes){(const uint8_t *) of->body.data, of->body.length};
        text = "";
    }
    else if (of->is_too_large)
        response.outcome = HTTP_FAILED_SIZE;
    else if (of->is_blocked)
    {
        response.outcome = HTTP_FAILED_BLOCKED;
        text = of->message;
    }
    else if (code == CURLE_OPERATION_TIMEDOUT)
        response.outcome = HTTP_FAILED_TIMEOUT;
    else if (!of->is_connected)
        response.outcome = HTTP_FAILED_CONNECT;
    else
        response.outcome = HTTP_FAILED_OTHER;
    response.message = (http_bytes){(const uint8_t *) text, strlen(text)};
    of->transport->config.policy.finished(of->transport->config.context, &response);
}

void
transfer_free(transfer *of)
{
    curl_easy_cleanup(of->easy);
    curl_url_cleanup(of->url);
    curl_slist_free_all(of->headers);
    curl_mime_free(of->mime);
    buffer_free(&of->header_lines);
    buffer_free(&of->body);
    buffer_free(&of->request_body);
    buffer_free(&of->method);
    free(of);
}
