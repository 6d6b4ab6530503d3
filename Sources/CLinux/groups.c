#define _GNU_SOURCE
#include "groups.h"
#include "result.h"
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
    return RESULT(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

int cl_device_program_load(const void *instructions, unsigned count) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.insn_cnt = count;
    attributes.license = (uint64_t)(uintptr_t) "Apache-2.0";
    return bpf(BPF_PROG_LOAD, &attributes);
}

int cl_device_program_attach(int cgroup, int program) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)cgroup;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    return bpf(BPF_PROG_ATTACH, &attributes);
}

int cl_device_program_query(int cgroup, uint32_t *identifiers) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.query.target_fd = (uint32_t)cgroup;
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_cnt = CL_GROUP_PROGRAMS;
    attributes.query.prog_ids = (uint64_t)(uintptr_t)identifiers;
    int result = bpf(BPF_PROG_QUERY, &attributes);
    return result < 0 ? result : (int)attributes.query.prog_cnt;
}

int cl_device_program_detach(int cgroup, uint32_t identifier) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_id = identifier;
    int program = bpf(BPF_PROG_GET_FD_BY_ID, &attributes);
    if (program < 0) return program;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)cgroup;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    int result = bpf(BPF_PROG_DETACH, &attributes);
    close(program);
    return result;
}

int cl_inotify_create(void) { return RESULT(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }
int cl_inotify_watch(int inotify, const char *path) { return RESULT(inotify_add_watch(inotify, path, IN_MODIFY)); }
