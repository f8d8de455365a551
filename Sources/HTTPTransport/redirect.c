/* SPDX-License-Identifier: PostgreSQL */
/* Redirects, when they are to be followed: each hop is checked as the first one was. */
#include "transport.h"

#include <string.h>
#include <strings.h>

/* Removes headers that another host must not see. */
static bool
drop_secrets(transfer *of)
{
    static const char *const harmless[] = {"Accept:", "Accept-Language:", "Content-Type:", "User-Agent:",
                                           "Expect:", "Idempotency-Key:"};
    struct curl_slist *kept = NULL;

    for (struct curl_slist *line = of->headers; line != NULL; line = line->next)
    {
        bool keep = false;

        for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
            keep = keep || strncasecmp(line->data, harmless[i], strlen(harmless[i])) == 0;
        if (keep)
        {
            struct curl_slist *longer = curl_slist_append(kept, line->data);

            if (longer == NULL)
            {
                curl_slist_free_all(kept);
                return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
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

/* The others of 3xx are answers, also with a Location. */
static bool
is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* As browsers and libcurl do: 303 always, and 301 and 302 of a POST, go on with GET. */
static void
change_method(transfer *of, long status)
{
    if (status != 303 && !((status == 301 || status == 302) && strcmp(of->method, "POST") == 0))
        return;
    strcpy(of->method, "GET");
    of->has_body = false;
    curl_easy_setopt(of->easy, CURLOPT_CUSTOMREQUEST, NULL);
    transfer_set_method(of);
}

bool
transfer_follow(transfer *of)
{
    char *location = NULL;
    long status = 0;
    CURLU *from;
    http_bytes target;

    curl_easy_getinfo(of->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(of->easy, CURLINFO_REDIRECT_URL, &location);
    if (!of->follows || location == NULL || !is_redirect(status))
        return false;
    if (of->redirects_left-- <= 0)
        return transfer_fail(of, HTTP_FAILED_OTHER, "too many redirects");
    if (transport_now_ms() >= of->deadline_ms)
        return transfer_fail(of, HTTP_FAILED_TIMEOUT, "");
    from = curl_url_dup(of->url);
    if (from == NULL)
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    target = (http_bytes){(const uint8_t *) location, strlen(location)};
    if (transfer_parse_url(of, target) && !same_origin(from, of->url))
        drop_secrets(of);
    curl_url_cleanup(from);
    if (of->failure != HTTP_ANSWERED)
        return false;
    change_method(of, status);
    of->header_lines.length = 0;
    of->is_answered = false;
    of->uses_directory = false;
    if (!transfer_set_authorities(of))
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    body_free(of);
    curl_easy_setopt(of->easy, CURLOPT_CURLU, of->url);
    transfer_aim(of);
    return true;
}
