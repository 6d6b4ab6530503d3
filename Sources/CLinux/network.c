#define _GNU_SOURCE
#include "CLinux.h"
#include "barecall.inc"
#include "result.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int cl_loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return -errno;
    int result = RESULT(ioctl(probe, SIOCGIFFLAGS, &request));
    if (result >= 0) {
        request.ifr_flags |= IFF_UP;
        result = RESULT(ioctl(probe, SIOCSIFFLAGS, &request));
    }
    close(probe);
    return result;
}

/* Beside a thread that goes on with the same memory: libc's functions would write to that one's errno. */
static int make_network(void *argument) {
    struct cl_network *made = argument;
    struct ifreq request = {.ifr_name = "lo"};
    made->step = CL_NETWORK_UNSHARE;
    long outcome = cl_bare_call(SYS_unshare, CLONE_NEWNET, 0, 0, 0, 0);
    if (outcome >= 0) {
        made->step = CL_NETWORK_LOOPBACK;
        outcome = cl_bare_call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0);
    }
    if (outcome >= 0) {
        long probe = outcome;
        outcome = cl_bare_call(SYS_ioctl, probe, SIOCGIFFLAGS, (long)&request, 0, 0);
        request.ifr_flags |= IFF_UP;
        if (outcome >= 0) outcome = cl_bare_call(SYS_ioctl, probe, SIOCSIFFLAGS, (long)&request, 0, 0);
        cl_bare_call(SYS_close, probe, 0, 0, 0, 0);
    }
    if (outcome >= 0) {
        made->step = CL_NETWORK_OPEN;
        outcome = cl_bare_call(SYS_openat, AT_FDCWD, (long)"/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC, 0, 0);
    }
    made->result = (int)outcome;
    cl_bare_call(SYS_exit, 0, 0, 0, 0, 0);
    return 0;
}

int cl_begin_network(void *stack, size_t size, struct cl_network *made) {
    int pidfd = -1;
    made->step = CL_NETWORK_UNSHARE;
    made->result = -ECANCELED;
    pid_t pid = clone(make_network, (char *)stack + size, CLONE_VM | CLONE_FILES | CLONE_PIDFD, made, &pidfd);
    return pid < 0 ? -errno : pidfd;
}

int cl_end_network(int pidfd) {
    siginfo_t information;
    int result;
    do result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &information, WEXITED | __WCLONE);
    while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    close(pidfd);
    return 0;
}
