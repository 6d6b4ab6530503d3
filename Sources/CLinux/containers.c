#define _GNU_SOURCE
#include "CLinux.h"
#include "result.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

int cl_clone_process(uint64_t flags, int cgroup, int *pidfd) {
    struct clone_args arguments = {.flags = flags, .exit_signal = SIGCHLD};
    if (flags & CL_CLONE_PARENT) arguments.exit_signal = 0;
    if (pidfd) {
        arguments.flags |= CLONE_PIDFD;
        arguments.pidfd = (uint64_t)(uintptr_t)pidfd;
    }
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    return RESULT(syscall(SYS_clone3, &arguments, sizeof arguments));
}

int cl_fsopen(const char *type) { return RESULT(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }
int cl_fsconfig_string(int context, const char *key, const char *value) {
    return RESULT(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0));
}
int cl_fsconfig_flag(int context, const char *key) {
    return RESULT(syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key, NULL, 0));
}
int cl_fsmount(int context, unsigned attributes) {
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return -errno;
    return RESULT(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
}
int cl_fscontext_message(int context, char *text, size_t size) {
    ssize_t length = read(context, text, size - 1);
    if (length < 0) length = 0;
    text[length] = 0;
    return (int)length;
}
int cl_open_tree_at(int directory, const char *path, int clone, int recursive) {
    unsigned flags = OPEN_TREE_CLOEXEC | (clone ? OPEN_TREE_CLONE : 0) | (clone && recursive ? AT_RECURSIVE : 0);
    if (!*path) flags |= AT_EMPTY_PATH;
    return RESULT(syscall(SYS_open_tree, directory, path, flags));
}
int cl_mount_setattr(int directory, const char *path, int recursive, uint64_t set, uint64_t clear, uint64_t propagation) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
    unsigned flags = (*path ? 0 : AT_EMPTY_PATH) | (recursive ? AT_RECURSIVE : 0);
    return RESULT(syscall(SYS_mount_setattr, directory, path, flags, &attributes, sizeof attributes));
}
int cl_mount_set_idmap(int tree, int user_namespace, int recursive) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace};
    unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    return RESULT(syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof attributes));
}
int cl_move_mount_onto(int tree, int target) {
    return RESULT(syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int cl_execveat(int descriptor, char *const arguments[], char *const environment[]) {
    syscall(SYS_execveat, descriptor, "", arguments, environment, AT_EMPTY_PATH);
    return -errno;
}

int cl_signal_descriptor(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    return RESULT(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
int cl_all_signals_descriptor(void) {
    sigset_t set;
    sigfillset(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    return RESULT(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
int cl_next_signal(int descriptor) {
    struct signalfd_siginfo information;
    return read(descriptor, &information, sizeof information) == sizeof information ? (int)information.ssi_signo : 0;
}
void cl_drain_signals(int descriptor) {
    struct signalfd_siginfo information[16];
    while (read(descriptor, information, sizeof information) > 0) {}
}
void cl_reset_signals(void) {
    /* The kernel's own structure, all zero: glibc's sigaction refuses the two signals that it keeps for itself, which may be
       ignored all the same because an ancestor did so. */
    const unsigned long usual[8] = {0};
    for (int signal = 1; signal < NSIG; signal++) syscall(SYS_rt_sigaction, signal, usual, NULL, 8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int cl_setdomainname(const char *name, size_t length) { return RESULT(setdomainname(name, length)); }
int cl_new_session_keyring(const char *name) { return RESULT(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name)); }

int cl_permitted_capabilities(uint64_t *permitted, uint64_t *bounding) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    *bounding = 0;
    for (int capability = 0; capability < 64; capability++) {
        int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (held < 0) break;
        if (held) *bounding |= (uint64_t)1 << capability;
    }
    return 0;
}

int cl_socketpair_packets(int descriptors[2]) {
    return RESULT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, descriptors));
}

int cl_memfd_sealable(const char *name) { return RESULT(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)); }
int cl_seal(int descriptor) {
    return RESULT(fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
}
int cl_seals(int descriptor) { return RESULT(fcntl(descriptor, F_GET_SEALS)); }
ssize_t cl_sendfile(int to, int from, size_t count) {
    ssize_t sent = sendfile(to, from, NULL, count);
    return sent < 0 ? -errno : sent;
}

static volatile pid_t passed_to;
static void pass_on(int signal) {
    if (passed_to > 0) kill(passed_to, signal);
}
void cl_run_reaper(pid_t child) {
    passed_to = child;
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (int signal = 1; signal < NSIG; signal++)
        if (signal != SIGCHLD && signal != SIGKILL && signal != SIGSTOP && signal != SIGTTIN && signal != SIGTTOU &&
            signal != SIGSEGV && signal != SIGBUS && signal != SIGILL && signal != SIGFPE && signal != SIGABRT)
            sigaction(signal, &action, NULL);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "init", 0, 0, 0);
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno != EINTR) _exit(1);
        if (ended == child) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
}

int64_t cl_filesystem_type(int descriptor) {
    struct statfs information;
    return fstatfs(descriptor, &information) < 0 ? -errno : (int64_t)information.f_type;
}
