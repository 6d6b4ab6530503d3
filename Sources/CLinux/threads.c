#define _GNU_SOURCE
#include "CLinux.h"

int cl_name_thread(pthread_t thread, const char *name) { return -pthread_setname_np(thread, name); }
