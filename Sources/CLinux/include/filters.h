#pragma once
#include <sys/types.h>

/* Puts a filter of `count` instructions of 8 bytes each in force for the calling thread and what it starts (seccomp(2),
   SECCOMP_SET_MODE_FILTER). The listener's descriptor where `flags` ask for one, 0 otherwise. */
int cl_seccomp_load(const void *instructions, unsigned short count, unsigned flags);
/* A descriptor of a process (pidfd_open(2)). */
int cl_pidfd_open(pid_t pid);
/* A copy of descriptor `number` of the process `pid` (pidfd_open(2), pidfd_getfd(2)). */
int cl_take_descriptor(pid_t pid, int number);
