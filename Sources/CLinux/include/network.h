#pragma once
#include <stddef.h>
#include <sys/types.h>

/* Sets the interface `lo` of this network namespace up. */
int cl_loopback_up(void);
/* Begins to make a network namespace with `lo` up, in a process that shares memory and open files with this one; its
   number. `*result` becomes the namespace's descriptor, or -errno, until it has ended. C, since it runs beside. */
int cl_begin_network(void *stack, size_t size, int *result);
/* Waits for its end. */
int cl_end_network(pid_t pid);
