#pragma once
#include <sys/un.h>

/* The address of a socket at a path. An address holds 107 bytes: a longer path is named by its directory's descriptor
   under /proc/self/fd, which the caller closes; -1 in *directory where there is none. */
int cl_address_of(const char *path, struct sockaddr_un *address, int *directory);
