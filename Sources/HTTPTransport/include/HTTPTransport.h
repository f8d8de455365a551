/* SPDX-License-Identifier: PostgreSQL */
/* What the library pg_durable_http offers is http_transport_api() of CHTTPInterface. */
#ifndef HTTPTRANSPORT_H
#define HTTPTRANSPORT_H

#include "http_transport.h"

#endif
