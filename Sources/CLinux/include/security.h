#pragma once
#include <stdint.h>

/* Capability sets as bit masks (capabilities(7)). */
int cl_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int cl_drop_bounding(uint64_t kept);
int cl_set_ambient(uint64_t kept);
