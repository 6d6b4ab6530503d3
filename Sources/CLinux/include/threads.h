#pragma once
#include <pthread.h>

/* A thread's name as tools show it; 15 bytes at most. */
int cl_name_thread(pthread_t thread, const char *name);
