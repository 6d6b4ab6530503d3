#pragma once
#include <stddef.h>
#include <sys/types.h>

/* Sets the interface `lo` of this network namespace up. */
int cl_loopback_up(void);

/* What came of a network namespace that is made beside other work. */
struct cl_network {
    /* The last step that was begun. */
    enum { CL_NETWORK_UNSHARE, CL_NETWORK_LOOPBACK, CL_NETWORK_OPEN } step;
    /* Its descriptor, or -errno of that step. */
    int result;
};
/* Begins to make a network namespace with `lo` up, in a process that shares memory and open files with this one; its
   pidfd. `*made` is to be looked at once it has ended. C, since it runs beside. */
int cl_begin_network(void *stack, size_t size, struct cl_network *made);
/* Waits for its end and closes the pidfd. */
int cl_end_network(int pidfd);
