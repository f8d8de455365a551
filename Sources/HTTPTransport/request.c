/* SPDX-License-Identifier: PostgreSQL */
/* The beginning of a request: libcurl's handle for it, and the callbacks through which it is checked and read. */
#include "transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

bool
transfer_fail(transfer *of, http_outcome outcome, const char *text)
{
    of->invalid = outcome;
    snprintf(of->message, sizeof(of->message), "%s", text);
    return false;
}

/* A string for libcurl; NULL for one with a NUL inside, which libcurl would cut. */
static char *
string(http_bytes bytes)
{
    char *copy;

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

static size_t
on_body(char *data, size_t size, size_t count, void *context)
{
    transfer *of = context;
    size_t length = size * count;

    if (length > of->response_size_max || of->body.length > of->response_size_max - length)
    {
        of->is_too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return buffer_append(&of->body, data, length) ? length : CURL_WRITEFUNC_ERROR;
}

/* Status lines begin a new answer (100 Continue, a proxy's); only the last one's fields stay. */
static size_t
on_header(char *data, size_t size, size_t count, void *context)
{
    transfer *of = context;
    size_t length = size * count, kept = length;

    while (kept > 0 && (data[kept - 1] == '\n' || data[kept - 1] == '\r'))
        kept--;
    if (kept >= 5 && memcmp(data, "HTTP/", 5) == 0)
    {
        of->header_lines.length = 0;
        return length;
    }
    if (kept == 0)
        return length;
    if (of->header_lines.length + kept > 1024 * 1024)
    {
        of->is_too_large = true;
        return 0;
    }
    if (!buffer_append(&of->header_lines, data, kept) || !buffer_append(&of->header_lines, "\n", 1))
        return 0;
    return length;
}

/* Asked for each connection, with the address that it will really use: what a name resolves to later is no matter. */
static curl_socket_t
on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    transfer *of = context;
    http_transport *transport = of->transport;
    const uint8_t *bytes = NULL;
    size_t length = 0;

    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (address->family == AF_INET)
    {
        bytes = (const uint8_t *) &((struct sockaddr_in *) &address->addr)->sin_addr;
        length = 4;
    }
    else if (address->family == AF_INET6)
    {
        bytes = (const uint8_t *) &((struct sockaddr_in6 *) &address->addr)->sin6_addr;
        length = 16;
    }
    if (bytes == NULL
        || !transport->config.policy.allow_address(transport->config.context, bytes, length, of->private_networks))
    {
        char text[INET6_ADDRSTRLEN] = "?";

        if (bytes != NULL)
            inet_ntop(address->family, bytes, text, sizeof(text));
        of->is_blocked = true;
        snprintf(of->message, sizeof(of->message), "Blocked: address %s is in a restricted range", text);
        return CURL_SOCKET_BAD;
    }
    of->is_blocked = false;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Called once the connection, new or reused, is about to carry this request. */
static int
on_prereq(void *context, char *remote, char *local, int remote_port, int local_port)
{
    transfer *of = context;
    http_transport *transport = of->transport;
    uint8_t bytes[16];
    size_t length = 4;

    (void) local;
    (void) remote_port;
    (void) local_port;
    of->is_connected = true;
    if (transport->proxy[0] != '\0')
        return CURL_PREREQFUNC_OK;
    if (inet_pton(AF_INET, remote, bytes) != 1)
    {
        length = 16;
        if (inet_pton(AF_INET6, remote, bytes) != 1)
            length = 0;
    }
    if (length > 0
        && transport->config.policy.allow_address(transport->config.context, bytes, length, of->private_networks))
        return CURL_PREREQFUNC_OK;
    of->is_blocked = true;
    snprintf(of->message, sizeof(of->message), "Blocked: address %s is in a restricted range", remote);
    return CURL_PREREQFUNC_ABORT;
}

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
add_headers(transfer *of, const http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++)
    {
        http_bytes line = request->headers[i];
        struct curl_slist *longer;
        char *text;
        size_t name = 0;

        if (!is_header(line))
            return transfer_fail(of, HTTP_FAILED_INVALID,
                                 "invalid HTTP header: a name is a token, a value has no line break");
        text = malloc(line.length + 2);
        if (text == NULL)
            return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
        memcpy(text, line.data, line.length);
        text[line.length] = '\0';
        /* libcurl removes "Name:" and sends an empty field for "Name;". */
        while (text[name] != ':')
            name++;
        if (text[name + 1 + strspn(text + name + 1, " \t")] == '\0')
            strcpy(text + name, ";");
        longer = curl_slist_append(of->headers, text);
        free(text);
        if (longer == NULL)
            return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
        of->headers = longer;
    }
    return true;
}

static bool
add_parts(transfer *of, const http_request *request)
{
    of->mime = curl_mime_init(of->easy);
    if (of->mime == NULL)
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    for (size_t i = 0; i < request->part_count; i++)
    {
        const http_part *from = &request->parts[i];
        curl_mimepart *part = curl_mime_addpart(of->mime);
        char *name = string(from->name);
        char *filename = from->filename.data == NULL ? NULL : string(from->filename);
        char *type = from->content_type.data == NULL ? NULL : string(from->content_type);
        bool ok = part != NULL && name != NULL && (from->filename.data == NULL || filename != NULL)
                  && (from->content_type.data == NULL || type != NULL);

        ok = ok && curl_mime_name(part, name) == CURLE_OK;
        ok = ok && (filename == NULL || curl_mime_filename(part, filename) == CURLE_OK);
        ok = ok && (type == NULL || curl_mime_type(part, type) == CURLE_OK);
        ok = ok && curl_mime_data(part, from->data.data == NULL ? "" : (const char *) from->data.data,
                                  from->data.length) == CURLE_OK;
        free(name);
        free(filename);
        free(type);
        if (!ok)
            return transfer_fail(of, HTTP_FAILED_INVALID, "invalid multipart body");
    }
    curl_easy_setopt(of->easy, CURLOPT_MIMEPOST, of->mime);
    return true;
}

bool
transfer_check_host(transfer *of)
{
    http_transport *transport = of->transport;
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = false;

    if (curl_url_get(of->url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK
        || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: unsupported URL scheme. Only http and https are allowed.");
    else if (curl_url_get(of->url, CURLUPART_HOST, &host, 0) != CURLUE_OK || host[0] == '\0')
        transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: unable to extract hostname");
    else if (curl_url_get(of->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: unable to extract port");
    else if (!transport->config.policy.allow_host(transport->config.context, of->id, scheme, host, atoi(port),
                                                  of->message, sizeof(of->message)))
        of->invalid = HTTP_FAILED_BLOCKED;
    else
        ok = true;
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return ok;
}

/* The one parser decides what is checked and where the request goes: the handle takes the parsed form. */
static bool
parse_url(transfer *of, http_bytes text)
{
    char *url = string(text);
    CURLUcode code;

    if (url == NULL)
        return transfer_fail(of, HTTP_FAILED_INVALID, "invalid URL");
    of->url = curl_url();
    if (of->url == NULL)
    {
        free(url);
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    }
    code = curl_url_set(of->url, CURLUPART_URL, url, CURLU_DISALLOW_USER);
    free(url);
    if (code == CURLUE_UNSUPPORTED_SCHEME)
        return transfer_fail(of, HTTP_FAILED_BLOCKED,
                             "Blocked: unsupported URL scheme. Only http and https are allowed.");
    if (code == CURLUE_USER_NOT_ALLOWED)
        return transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: a user name in the URL is not allowed");
    if (code != CURLUE_OK)
    {
        char why[256];

        snprintf(why, sizeof(why), "Blocked: unable to extract hostname: %s", curl_url_strerror(code));
        return transfer_fail(of, HTTP_FAILED_BLOCKED, why);
    }
    return transfer_check_host(of);
}

void
transfer_set_method(transfer *of)
{
    CURL *easy = of->easy;
    const char *method = of->method.data;

    if (of->mime != NULL)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    else if (of->has_body)
    {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) of->request_body.length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, of->request_body.data == NULL ? "" : of->request_body.data);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
    else if (strcmp(method, "GET") == 0)
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    else if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
    {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) 0);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

/* What holds for every request: nothing from the environment, no state between requests, no surprises. */
static bool
set_options(transfer *of)
{
    CURL *easy = of->easy;
    http_transport *transport = of->transport;
    bool ok = true;

    ok = ok && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROXY, transport->proxy) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 0L) == CURLE_OK;
    if (transport->ca_file[0] != '\0')
        ok = ok && curl_easy_setopt(easy, CURLOPT_CAINFO, transport->ca_file) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_USERAGENT, transport->user_agent) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, of->error) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PRIVATE, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_WRITEDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HEADERDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prereq) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PREREQDATA, of) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, of->headers) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_CURLU, of->url) == CURLE_OK;
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
    curl_easy_setopt(of->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) left);
    return curl_easy_setopt(of->easy, CURLOPT_TIMEOUT_MS, (long) left) == CURLE_OK;
}

bool
transfer_prepare(transfer *of, const http_request *request)
{
    of->easy = curl_easy_init();
    if (of->easy == NULL || !buffer_append(&of->method, request->method.data, request->method.length)
        || (request->has_body && !buffer_append(&of->request_body, request->body.data, request->body.length)))
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    of->has_body = request->has_body;
    of->redirects_left = request->redirects_max;
    of->response_size_max = request->response_size_max;
    of->private_networks = request->private_networks;
    of->began_ms = transport_now_ms();
    of->deadline_ms = of->began_ms + request->timeout_ms;
    if (!parse_url(of, request->url) || !add_headers(of, request))
        return false;
    /* libcurl would wait for "100 Continue" and add a Content-Type of its own. */
    of->headers = curl_slist_append(of->headers, "Expect:");
    if (request->part_count == 0)
    {
        bool given = false;

        for (size_t i = 0; i < request->header_count; i++)
            given = given || (request->headers[i].length > 13
                              && strncasecmp((const char *) request->headers[i].data, "content-type:", 13) == 0);
        if (!given)
            of->headers = curl_slist_append(of->headers, "Content-Type:");
    }
    if (request->part_count > 0 && !add_parts(of, request))
        return false;
    transfer_set_method(of);
    return set_options(of) && transfer_set_deadline(of);
}

