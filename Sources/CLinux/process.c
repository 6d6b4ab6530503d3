#define _GNU_SOURCE
#include "CLinux.h"
#include "result.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static char **arguments;
static int argument_count;

/* libc hands a constructor what it hands main. */
__attribute__((constructor)) static void keep_arguments(int count, char **given) {
    arguments = given;
    argument_count = count;
}

char **cl_arguments(int *count) {
    *count = argument_count;
    return arguments;
}

int cl_unshare(int flags) { return RESULT(unshare(flags)); }
int cl_setns(int descriptor, int flags) { return RESULT(setns(descriptor, flags)); }
int cl_pidfd_send_signal(int pidfd, int signal) { return RESULT(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0)); }
int cl_fork(void) { return RESULT(fork()); }
int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return RESULT(prctl(option, a, b, c, d));
}
int cl_sethostname(const char *name, size_t length) { return RESULT(sethostname(name, length)); }
int cl_pipe2(int descriptors[2], int flags) { return RESULT(pipe2(descriptors, flags)); }
int cl_close_range(unsigned first, unsigned last, unsigned flags) {
    return RESULT(syscall(SYS_close_range, first, last, flags));
}
int cl_execve(const char *path, char *const arguments[], char *const environment[]) {
    execve(path, arguments, environment);
    return -errno;
}
int cl_setrlimit(int resource, uint64_t soft, uint64_t hard) {
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    return RESULT(setrlimit(resource, &limit));
}
int cl_getrlimit(int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) return -errno;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return 0;
}
int cl_raise_limit(pid_t pid, int resource, uint64_t hard) {
    struct rlimit limit;
    if (prlimit(pid, resource, NULL, &limit) < 0) return -errno;
    if (limit.rlim_max >= hard) return 0;
    limit.rlim_max = hard;
    return RESULT(prlimit(pid, resource, &limit, NULL));
}
int cl_setgroups(size_t count, const uint32_t *groups) { return RESULT(setgroups(count, groups)); }
int cl_setresgid(uint32_t gid) { return RESULT(setresgid(gid, gid, gid)); }
int cl_setresuid(uint32_t uid) { return RESULT(setresuid(uid, uid, uid)); }
int cl_set_terminal_size(int descriptor, unsigned short rows, unsigned short columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return RESULT(ioctl(descriptor, TIOCSWINSZ, &size));
}
int cl_get_terminal_size(int descriptor, unsigned short *rows, unsigned short *columns) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) < 0) return -errno;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}
int cl_take_terminal(int descriptor) { return RESULT(ioctl(descriptor, TIOCSCTTY, 0)); }
int cl_open_terminal(const char *ptmx, int *number) {
    int master = open(ptmx, O_RDWR | O_NOCTTY | O_CLOEXEC), unlocked = 0;
    if (master < 0) return -errno;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCGPTN, number) < 0) {
        int error = errno;
        close(master);
        return -error;
    }
    return master;
}
int cl_open_terminal_peer(int master, int flags) { return RESULT(ioctl(master, TIOCGPTPEER, flags)); }

int cl_spawn(const char *path, char *const arguments[], char *const environment[], const int *descriptors,
             int count, int new_session, pid_t *pid) {
    /* Descriptors are first moved out of the way of 0..count, then into place: dup2 clears close-on-exec. */
    int moved[16], error = 0, made = 0;
    if (count > 16) return -EINVAL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (; made < count; made++) {
        moved[made] = fcntl(descriptors[made], F_DUPFD_CLOEXEC, 16);
        if (moved[made] < 0) { error = errno; goto out; }
        posix_spawn_file_actions_adddup2(&actions, moved[made], made);
    }
    /* What this process itself inherited, from a shell say, is none of the child's. */
    posix_spawn_file_actions_addclosefrom_np(&actions, count);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              (new_session ? POSIX_SPAWN_SETSID : 0));
    error = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
out:
    for (int index = 0; index < made; index++) close(moved[index]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -error;
}

int cl_wait(pid_t pid, int nohang, int *code) {
    int status;
    pid_t ended;
    do ended = waitpid(pid, &status, nohang ? WNOHANG : 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0) return -errno;
    if (ended > 0) *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ended;
}

void cl_forget_code(void) {
    extern char __executable_start[], etext[];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)__executable_start & ~(page - 1);
    madvise((void *)begin, ((uintptr_t)etext & ~(page - 1)) - begin, MADV_DONTNEED);
}
