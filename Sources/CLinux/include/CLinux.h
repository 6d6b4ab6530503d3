#pragma once
/* System calls and macros of Linux that Swift cannot import. No policy: each function does one thing and returns a value
   of zero or more, or -errno. */
#include "process.h"
#include "files.h"
#include "sockets.h"
#include "security.h"
#include "scheduling.h"
#include "notify.h"
#include "filters.h"
#include "tree.h"
#include "containers.h"
#include "network.h"
#include "readiness.h"
#include "groups.h"
#include "threads.h"
#include "listeners.h"
