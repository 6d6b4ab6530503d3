#pragma once
/* Programs and notifications of control groups. */
#include <stdint.h>

/* How many programs the kernel attaches to one group (BPF_CGROUP_MAX_PROGS). */
#define CL_GROUP_PROGRAMS 64

/* Loads a program for BPF_CGROUP_DEVICE of `count` instructions of 8 bytes each; its descriptor (bpf(2)). */
int cl_device_program_load(const void *instructions, unsigned count);
/* Attaches it to the v2 group beside those that are there. */
int cl_device_program_attach(int cgroup, int program);
/* The numbers of the device programs attached to the group itself, at most CL_GROUP_PROGRAMS; how many. */
int cl_device_program_query(int cgroup, uint32_t *identifiers);
int cl_device_program_detach(int cgroup, uint32_t identifier);
/* An inotify descriptor, which does not block; a watch of changes to a file (inotify(7)). */
int cl_inotify_create(void);
int cl_inotify_watch(int inotify, const char *path);
