/* SPDX-License-Identifier: PostgreSQL */
/* Compiles the header by itself. */
#include "http_transport.h"
