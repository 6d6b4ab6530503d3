#pragma once
#include <stdint.h>
#include <sys/types.h>

/* A listening or connected stream socket at a path; a path too long for an address is reached through its directory. */
int cl_unix_listen(const char *path, int backlog, unsigned mode);
int cl_unix_connect(const char *path);
int cl_accept(int listener);
int cl_socketpair(int descriptors[2]);
#define CL_DESCRIPTOR_LIMIT 64

/* One message with up to CL_DESCRIPTOR_LIMIT descriptors. */
ssize_t cl_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, int count);
ssize_t cl_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, int *count);
