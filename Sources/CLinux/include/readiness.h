#pragma once
#include <stdint.h>

/* epoll(7), in the form that reports a descriptor once and then waits to be asked again. */
int cl_epoll_create(void);
/* Adds the descriptor or asks again for it; `events` of CL_READABLE and CL_WRITABLE. */
int cl_epoll_arm(int epoll, int descriptor, uint32_t events);
int cl_epoll_remove(int epoll, int descriptor);
/* Waits; up to `count` descriptors and what happened on each. An error or hang-up counts as both. */
int cl_epoll_wait(int epoll, int *descriptors, uint32_t *events, int count, int timeout);
int cl_eventfd(void);
enum { CL_READABLE = 1, CL_WRITABLE = 2 };
