#pragma once
#include <sys/types.h>

/* A datagram socket bound at a path, which anybody may write to (unix(7)). */
int cl_datagram_bind(const char *path);
/* Sends one datagram to a socket at a path; one that begins with @ is in the abstract namespace. */
int cl_datagram_send(const char *path, const void *bytes, size_t length);
