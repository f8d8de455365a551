/* SPDX-License-Identifier: PostgreSQL */
/* What may be reached: the URL by libcurl's own parser, the host by its policy, and each address before its use. */
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Blanks and what is not ASCII is encoded in the path and the query; in a host it is refused, or converted below. */
#define URL_FLAGS (CURLU_DISALLOW_USER | CURLU_URLENCODE | CURLU_ALLOW_SPACE)

static bool
is_about_host(CURLUcode code)
{
    return code == CURLUE_NO_HOST || code == CURLUE_BAD_HOSTNAME || code == CURLUE_BAD_IPV6
           || code == CURLUE_BAD_SLASHES || code == CURLUE_BAD_SCHEME || code == CURLUE_MALFORMED_INPUT;
}

static bool
fail_parsing(transfer *of, CURLUcode code)
{
    char why[256];

    if (code == CURLUE_UNSUPPORTED_SCHEME || code == CURLUE_BAD_FILE_URL)
        return transfer_fail(of, HTTP_FAILED_BLOCKED,
                             "Blocked: unsupported URL scheme. Only http and https are allowed.");
    if (code == CURLUE_USER_NOT_ALLOWED)
        return transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: a user name in the URL is not allowed");
    if (code == CURLUE_OUT_OF_MEMORY)
        return transfer_fail(of, HTTP_FAILED_OTHER, "out of memory");
    if (is_about_host(code))
        snprintf(why, sizeof(why), "Blocked: unable to extract hostname: %s", curl_url_strerror(code));
    else
        snprintf(why, sizeof(why), "the URL cannot be read: %s", curl_url_strerror(code));
    return transfer_fail(of, is_about_host(code) ? HTTP_FAILED_BLOCKED : HTTP_FAILED_INVALID, why);
}

static bool
is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char) *text < 0x80)
        text++;
    return *text == '\0';
}

/* libidn2 reads a name as the locale says, and the server's may be any; what it dislikes libcurl calls no memory. */
CURLUcode
url_get_host(CURLU *url, char **host)
{
    static locale_t utf8 = (locale_t) 0;
    locale_t before;
    CURLUcode code = curl_url_get(url, CURLUPART_HOST, host, 0);

    if (code != CURLUE_OK || is_ascii(*host))
        return code;
    curl_free(*host);
    *host = NULL;
    if (utf8 == (locale_t) 0 && (utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0)) == (locale_t) 0)
        return CURLUE_BAD_HOSTNAME;
    before = uselocale(utf8);
    code = curl_url_get(url, CURLUPART_HOST, host, CURLU_PUNYCODE);
    uselocale(before);
    if (code != CURLUE_OK || !is_ascii(*host))
        code = CURLUE_BAD_HOSTNAME;
    return code;
}

/* Names with other letters as the name servers know them, and without the dot of the root: one form for all uses. */
static CURLUcode
settle_host(CURLU *url)
{
    char *host = NULL;
    CURLUcode code = url_get_host(url, &host);
    size_t length = host == NULL ? 0 : strlen(host);

    if (code == CURLUE_OK && length > 1 && host[length - 1] == '.')
        host[--length] = '\0';
    if (code == CURLUE_OK)
        code = length == 0 ? CURLUE_NO_HOST : curl_url_set(url, CURLUPART_HOST, host, 0);
    curl_free(host);
    return code;
}

bool
transfer_parse_url(transfer *of, http_bytes text)
{
    char *url = string_of(text);
    CURLUcode code;

    if (url == NULL)
        return transfer_fail(of, HTTP_FAILED_INVALID, "the URL cannot be read");
    code = of->url == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(of->url, CURLUPART_URL, url, URL_FLAGS);
    free(url);
    if (code == CURLUE_OK)
        code = settle_host(of->url);
    return code == CURLUE_OK ? transfer_check_host(of) : fail_parsing(of, code);
}

/* ---------------------------------------------------------------- addresses */

static bool
is_allowed(transfer *of, const uint8_t *bytes, size_t length)
{
    http_transport *transport = of->transport;

    return transport->policy.allow_address(transport->context, bytes, length, of->private_networks);
}

static bool
fail_address(transfer *of, const uint8_t *bytes, size_t length)
{
    char shown[INET6_ADDRSTRLEN] = "?", text[INET6_ADDRSTRLEN + 64];

    inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, shown, sizeof(shown));
    snprintf(text, sizeof(text), "Blocked: address %s is in a restricted range", shown);
    return transfer_fail(of, HTTP_FAILED_BLOCKED, text);
}

bool
read_literal(const char *host, address *to)
{
    size_t length = strlen(host);
    char inner[INET6_ADDRSTRLEN];

    to->length = 0;
    if (length >= 2 && length < sizeof(inner) + 2 && host[0] == '[' && host[length - 1] == ']')
    {
        memcpy(inner, host + 1, length - 2);
        inner[length - 2] = '\0';
        to->length = inet_pton(AF_INET6, inner, to->bytes) == 1 ? 16 : 0;
    }
    else if (inet_pton(AF_INET, host, to->bytes) == 1)
        to->length = 4;
    return to->length > 0;
}

/* Where a name leads is known later, and to a proxy alone when there is one; an address needs no asking. */
static bool
check_literal(transfer *of, const char *host)
{
    address at;

    return !read_literal(host, &at) || is_allowed(of, at.bytes, at.length) || fail_address(of, at.bytes, at.length);
}

bool
transfer_check_host(transfer *of)
{
    http_transport *transport = of->transport;
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = false;

    if (curl_url_get(of->url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK
        || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        fail_parsing(of, CURLUE_UNSUPPORTED_SCHEME);
    else if (curl_url_get(of->url, CURLUPART_HOST, &host, 0) != CURLUE_OK || host[0] == '\0')
        transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: unable to extract hostname");
    else if (curl_url_get(of->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: unable to extract port");
    else if (!transport->policy.allow_host(transport->context, of->id, scheme, host, atoi(port), of->message,
                                           sizeof(of->message)))
        of->failure = HTTP_FAILED_BLOCKED;
    else
        ok = check_literal(of, host);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return ok;
}

bool
transfer_check_addresses(transfer *of)
{
    address refused = {.length = 0};
    int32_t kept = 0;

    /* The administrator's proxy may be wherever it is; where a name leads is its own to check. */
    if (of->config->proxy != NULL)
        return true;
    for (int32_t i = 0; i < of->address_count; i++)
        if (is_allowed(of, of->addresses[i].bytes, of->addresses[i].length))
            of->addresses[kept++] = of->addresses[i];
        else
            refused = of->addresses[i];
    of->address_count = kept;
    return kept > 0 || fail_address(of, refused.bytes, refused.length);
}

static bool
is_expected(const transfer *of, const uint8_t *bytes, size_t length)
{
    for (int32_t i = 0; i < of->address_count; i++)
        if (of->addresses[i].length == length && memcmp(of->addresses[i].bytes, bytes, length) == 0)
            return true;
    return false;
}

/* Asked for each connection, with the address that it will really use: what a name resolves to later is no matter. */
curl_socket_t
transfer_on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    transfer *of = context;
    const uint8_t *bytes = NULL;
    size_t length = 0;
    int port = 0, made;

    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (to->family == AF_INET)
    {
        const struct sockaddr_in *found = (const struct sockaddr_in *) &to->addr;

        bytes = (const uint8_t *) &found->sin_addr;
        port = ntohs(found->sin_port);
        length = 4;
    }
    else if (to->family == AF_INET6)
    {
        const struct sockaddr_in6 *found = (const struct sockaddr_in6 *) &to->addr;

        bytes = (const uint8_t *) &found->sin6_addr;
        port = ntohs(found->sin6_port);
        length = 16;
    }
    if (bytes == NULL || !is_expected(of, bytes, length)
        || (of->config->proxy != NULL ? port != of->config->proxy_port : !is_allowed(of, bytes, length)))
    {
        if (bytes != NULL)
            fail_address(of, bytes, length);
        return CURL_SOCKET_BAD;
    }
    made = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (made < 0 && (errno == EMFILE || errno == ENFILE))
    {
        of->transport->lacks_descriptors = true;
        transfer_fail(of, HTTP_FAILED_CONNECT, "too many open files in the HTTP worker");
    }
    return made < 0 ? CURL_SOCKET_BAD : made;
}

/* Called once the connection, new or reused, is about to carry this request. */
int
transfer_on_prereq(void *context, char *remote, char *local, int remote_port, int local_port)
{
    transfer *of = context;
    uint8_t bytes[16];
    size_t length = 4;

    (void) local;
    (void) remote_port;
    (void) local_port;
    /* A connection of the pool was made by on_socket under the same configuration: to this proxy. */
    if (of->config->proxy == NULL)
    {
        if (inet_pton(AF_INET, remote, bytes) != 1)
            length = inet_pton(AF_INET6, remote, bytes) == 1 ? 16 : 0;
        if (length == 0 || !is_allowed(of, bytes, length))
        {
            if (length > 0)
                fail_address(of, bytes, length);
            else
                transfer_fail(of, HTTP_FAILED_BLOCKED, "Blocked: the address is not known");
            return CURL_PREREQFUNC_ABORT;
        }
    }
    of->is_connected = true;
    of->failure = HTTP_ANSWERED; /* of another address of the same name */
    return CURL_PREREQFUNC_OK;
}

/* libcurl would start a thread: it finds addresses in its cache or goes without. An address as such takes none. */
int
transfer_on_resolve(void *resolver, void *reserved, void *context)
{
    transfer *of = context;

    (void) resolver;
    (void) reserved;
    of->lost_name = !of->is_literal;
    return of->is_literal ? 0 : 1;
}
