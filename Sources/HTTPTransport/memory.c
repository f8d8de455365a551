/* SPDX-License-Identifier: PostgreSQL */
/* Memory for bodies, within what all transfers may have together and each owner's share of it. */
#include "transport.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 4096
#define CHUNK_MOST 65536

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

account *
account_open(http_transport *transport, uint32_t owner)
{
    account *found = transport->accounts;

    while (found != NULL && found->owner != owner)
        found = found->next;
    if (found == NULL && (found = calloc(1, sizeof(account))) != NULL)
    {
        found->owner = owner;
        found->next = transport->accounts;
        transport->accounts = found;
    }
    if (found != NULL)
        found->references++;
    return found;
}

void
account_close(http_transport *transport, account *of)
{
    account **link = &transport->accounts;

    if (of == NULL || --of->references > 0)
        return;
    while (*link != of)
        link = &(*link)->next;
    *link = of->next;
    free(of);
}

/* What an owner may have: as long as it holds less than is free, others find room. */
static bool
has_share(const http_transport *transport, int64_t held, int64_t bytes)
{
    int64_t available = transport->memory - transport->used;

    return bytes <= available && held < available;
}

bool
transport_has_room(void *of, uint32_t owner, size_t length)
{
    const http_transport *transport = of;
    const account *found = transport->accounts;

    while (found != NULL && found->owner != owner)
        found = found->next;
    return transport->used == 0
           || has_share(transport, found == NULL ? 0 : found->used, (int64_t) length);
}

bool
transfer_charge(transfer *of, size_t bytes)
{
    http_transport *transport = of->transport;

    if (!has_share(transport, of->account->used, (int64_t) bytes))
        return transfer_fail(of, HTTP_FAILED_MEMORY, "");
    of->charged += (int64_t) bytes;
    of->account->used += (int64_t) bytes;
    transport->used += (int64_t) bytes;
    return true;
}

void
transfer_uncharge(transfer *of)
{
    if (of->account != NULL)
        of->account->used -= of->charged;
    of->transport->used -= of->charged;
    of->charged = 0;
}

bool
body_append(transfer *of, const char *data, size_t length)
{
    of->body_length += length;
    while (length > 0)
    {
        chunk *last = of->body_end;
        size_t part;

        if (last == NULL || last->length == last->capacity)
        {
            size_t capacity = last == NULL && length < CHUNK_FIRST ? CHUNK_FIRST : CHUNK_MOST;

            if (!transfer_charge(of, capacity))
                return false;
            last = malloc(sizeof(chunk) + capacity);
            if (last == NULL)
                return transfer_fail(of, HTTP_FAILED_MEMORY, "");
            *last = (chunk){.capacity = capacity};
            if (of->body_end == NULL)
                of->body = last;
            else
                of->body_end->next = last;
            of->body_end = last;
            of->chunk_count++;
        }
        part = last->capacity - last->length;
        if (part > length)
            part = length;
        memcpy(last->data + last->length, data, part);
        last->length += part;
        data += part;
        length -= part;
    }
    return true;
}

void
body_free(transfer *of)
{
    while (of->body != NULL)
    {
        chunk *first = of->body;

        of->body = first->next;
        if (of->account != NULL)
            of->account->used -= (int64_t) first->capacity;
        of->transport->used -= (int64_t) first->capacity;
        of->charged -= (int64_t) first->capacity;
        free(first);
    }
    of->body_end = NULL;
    of->body_length = of->chunk_count = 0;
}
