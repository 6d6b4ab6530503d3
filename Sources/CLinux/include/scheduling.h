#pragma once
#include <stddef.h>
#include <stdint.h>

/* The calling process's scheduling (sched_setattr(2)); times in nanoseconds. */
int cl_set_scheduler(unsigned policy, uint64_t flags, int nice, unsigned priority, uint64_t runtime, uint64_t deadline,
                     uint64_t period);
/* Its class and level of block I/O (ioprio_set(2)). */
int cl_set_io_priority(int class, int level);
/* The processors that it may run on, one bit each, the lowest first (sched_setaffinity(2)). */
int cl_set_affinity(const uint8_t *processors, size_t size);
/* Its execution domain (personality(2)). */
int cl_set_personality(unsigned long persona);
enum { CL_PER_LINUX = 0, CL_PER_LINUX32 = 8 };
