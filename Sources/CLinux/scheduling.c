#define _GNU_SOURCE
#include "CLinux.h"
#include "result.h"
#include <errno.h>
#include <linux/ioprio.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc has neither the call nor the structure (linux/sched/types.h clashes with its sched.h). */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int cl_set_scheduler(unsigned policy, uint64_t flags, int nice, unsigned priority, uint64_t runtime, uint64_t deadline,
                     uint64_t period) {
    struct attributes attributes = {sizeof attributes, policy, flags, nice, priority, runtime, deadline, period};
    return RESULT(syscall(SYS_sched_setattr, 0, &attributes, 0));
}
int cl_set_io_priority(int class, int level) {
    return RESULT(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(class, level)));
}
int cl_set_affinity(const uint8_t *processors, size_t size) {
    return RESULT(syscall(SYS_sched_setaffinity, 0, size, processors));
}
int cl_set_personality(unsigned long persona) { return RESULT(personality(persona)); }
