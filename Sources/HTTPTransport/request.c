/* SPDX-License-Identifier: PostgreSQL */
/* libcurl's handle for a request, and the callbacks through which its answer is read. */
#include "transport.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *
string_of(http_bytes bytes)
{
    char *copy;

    /* libcurl would cut it there. */
    if (bytes.length > 0 && memchr(bytes.data, '\0', bytes.length) != NULL)
        return NULL;
    copy = malloc(bytes.length + 1);
    if (copy == NULL)
        return NULL;
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    copy[bytes.length] = '\0';
    return copy;
}

/* ---------------------------------------------------------------- the answer */

static size_t
on_body(char *data, size_t size, size_t count, void *context)
{
    transfer *of = context;
    size_t length = size * count;

    if (length > of->response_size_max || of->body_length > of->response_size_max - length)
    {
        transfer_fail(of, HTTP_FAILED_SIZE, "");
        return CURL_WRITEFUNC_ERROR;
    }
    return body_append(of, data, length) ? length : CURL_WRITEFUNC_ERROR;
}

static bool
add_header_line(transfer *of, const char *data, size_t length)
{
    size_t before = of->header_lines.capacity;

    if (!buffer_append(&of->header_lines, data, length) || !buffer_append(&of->header_lines, "\n", 1))
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    return of->header_lines.capacity == before || transfer_charge(of, of->header_lines.capacity - before);
}

/* Status lines begin a new answer (100 Continue, a proxy's); only the last one's fields stay. */
static size_t
on_header(char *data, size_t size, size_t count, void *context)
{
    transfer *of = context;
    size_t length = size * count, kept = length;
    long status = 0;

    while (kept > 0 && (data[kept - 1] == '\n' || data[kept - 1] == '\r'))
        kept--;
    if (kept >= 5 && memcmp(data, "HTTP/", 5) == 0)
    {
        of->header_lines.length = 0;
        of->is_answered = false;
        return length;
    }
    if (kept == 0)
    {
        curl_easy_getinfo(of->easy, CURLINFO_RESPONSE_CODE, &status);
        of->is_answered = status >= 200;
        return length;
    }
    if (of->header_lines.length + kept > HTTP_HEADERS_MAX)
    {
        transfer_fail(of, HTTP_FAILED_HEADERS, "");
        return 0;
    }
    return add_header_line(of, data, kept) ? length : 0;
}

/* ---------------------------------------------------------------- the request */

/* Whether a header may be sent: a token, a colon, no control character. */
static bool
is_header(http_bytes line)
{
    size_t colon = 0;

    while (colon < line.length && line.data[colon] != ':')
    {
        uint8_t c = line.data[colon];

        if (c <= ' ' || c >= 0x7F || strchr("()<>@,;\\\"/[]?={}", c) != NULL)
            return false;
        colon++;
    }
    if (colon == 0 || colon == line.length)
        return false;
    for (size_t i = colon + 1; i < line.length; i++)
        if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7F)
            return false;
    return true;
}

static bool
add_line(transfer *of, const char *text)
{
    struct curl_slist *longer = curl_slist_append(of->headers, text);

    if (longer == NULL)
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    of->headers = longer;
    return true;
}

static bool
add_header(transfer *of, http_bytes line)
{
    char *text;
    size_t name = 0;
    bool ok;

    if (!is_header(line))
        return transfer_fail(of, HTTP_FAILED_INVALID,
                             "invalid HTTP header: a name is a token, a value has no line break");
    text = string_of(line);
    if (text == NULL)
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    /* libcurl removes "Name:" and sends an empty field for "Name;". */
    while (text[name] != ':')
        name++;
    if (text[name + 1 + strspn(text + name + 1, " \t")] == '\0')
        strcpy(text + name, ";");
    ok = add_line(of, text);
    free(text);
    return ok;
}

static bool
add_headers(transfer *of, const http_request *request)
{
    bool has_type = false;

    for (size_t i = 0; i < request->header_count; i++)
    {
        http_bytes line = request->headers[i];

        if (!add_header(of, line))
            return false;
        has_type = has_type
                   || (line.length > 13 && strncasecmp((const char *) line.data, "content-type:", 13) == 0);
    }
    /* libcurl would wait for "100 Continue" and add a Content-Type of its own. */
    return add_line(of, "Expect:") && (has_type || add_line(of, "Content-Type:"));
}

void
transfer_set_method(transfer *of)
{
    CURL *easy = of->easy;

    if (of->has_body)
    {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) of->request_body.length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, of->request_body.data == NULL ? "" : of->request_body.data);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, of->method);
    }
    else if (strcmp(of->method, "GET") == 0)
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    else if (strcmp(of->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
    {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) 0);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, of->method);
    }
}

/*
 * Certificates of the settings replace all of the system's, which are a file and a directory. libcurl keeps a file in
 * memory as long as there is no directory beside it, and reading the system's takes longer than all of the handshake,
 * while nothing else goes on. So the directory is for those whom the file does not know: their certificates are found
 * in it by name.
 */
bool
transfer_set_authorities(transfer *of)
{
    CURL *easy = of->easy;
    const char *file = of->config->ca_file;
    char *systems_file = NULL, *directory = NULL;

    if (file[0] != '\0')
        return curl_easy_setopt(easy, CURLOPT_CAINFO, file) == CURLE_OK
               && curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK
               && curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) == CURLE_OK
               && curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK;
    curl_easy_getinfo(easy, CURLINFO_CAINFO, &systems_file);
    curl_easy_getinfo(easy, CURLINFO_CAPATH, &directory);
    if (systems_file == NULL || directory == NULL)
        return true;
    return curl_easy_setopt(easy, CURLOPT_CAINFO, of->uses_directory ? NULL : systems_file) == CURLE_OK
           && curl_easy_setopt(easy, CURLOPT_CAPATH, of->uses_directory ? directory : NULL) == CURLE_OK;
}

static bool
set_callbacks(transfer *of)
{
    CURL *easy = of->easy;
    bool ok = true;

    ok = ok && curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, of->error) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PRIVATE, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_WRITEDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HEADERDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, transfer_on_socket) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, transfer_on_prereq) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PREREQDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, transfer_on_resolve) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, of) == CURLE_OK;
    return ok;
}

/* What holds for every request: nothing from the environment, no state between requests, no surprises. */
static bool
set_options(transfer *of)
{
    CURL *easy = of->easy;
    const configuration *config = of->config;
    bool ok = true;

    ok = ok && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy == NULL ? "" : config->proxy) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long) CURLHEADER_SEPARATE) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    /* Seconds after which a file of certificates is read again. */
    ok = ok && curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 60L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 0L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 60L) == CURLE_OK;
    /* A thousand uploads at a time: the least that libcurl takes. */
    ok = ok && curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_USERAGENT, config->user_agent) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, of->headers) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_CURLU, of->url) == CURLE_OK;
    /* A reused connection may turn out to be dead, and then libcurl would send the request once more. */
    ok = ok && curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, of->may_repeat ? 0L : 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, of->may_repeat ? 0L : 1L) == CURLE_OK;
    ok = ok && transfer_set_authorities(of) && set_callbacks(of);
    return ok || transfer_fail(of, HTTP_FAILED_OTHER, "libcurl refuses an option");
}

bool
transfer_set_deadline(transfer *of)
{
    int64_t left = of->deadline_ms - transport_now_ms();

    if (left <= 0)
        left = 1;
    if (left > INT32_MAX)
        left = INT32_MAX;
    return curl_easy_setopt(of->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) left) == CURLE_OK
           && curl_easy_setopt(of->easy, CURLOPT_TIMEOUT_MS, (long) left) == CURLE_OK;
}

bool
transfer_prepare(transfer *of, const http_request *request)
{
    if (of->config->fault != NULL)
        return transfer_fail(of, HTTP_FAILED_INVALID, of->config->fault);
    of->easy = curl_easy_init();
    of->url = curl_url();
    of->method = string_of(request->method);
    if (of->easy == NULL || of->url == NULL || of->method == NULL
        || (request->has_body && !buffer_append(&of->request_body, request->body.data, request->body.length)))
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    of->has_body = request->has_body;
    if (!transfer_parse_url(of, request->url) || !add_headers(of, request))
        return false;
    transfer_set_method(of);
    return set_options(of);
}
