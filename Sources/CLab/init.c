#define _GNU_SOURCE
#include "CLab.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The plan: its length as eight digits, then operations, each a name and its arguments, all ended by zero bytes.

   join PROCS               joins a control group
   unshare FLAGS            unshare(2)
   fork                     goes on in a child, whose number is reported as "pid N\n"
   await                    waits for a byte; ends where there is none, so that a lab that died leaves nothing running
   mkdir PATH, write PATH TEXT, hostname NAME
   mount SOURCE TARGET TYPE FLAGS DATA, umount PATH (which may fail)
   log DIRECTORY            opens DIRECTORY/log.pipe, whose text goes to DIRECTORY/daemon.log
   serve                    reports "ready\n" and reaps for good

   A failure is reported as "error ...\n" and ends it. */

enum { CONTROL = 3, PLAN_LIMIT = 1 << 20, LOG_LIMIT = 8 << 20 };

static int log_directory = -1, log_pipe = -1, log_file = -1;
static long log_length;

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...) {
    char line[4096];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (length >= (int)sizeof line) length = sizeof line - 1;
    if (write(CONTROL, line, length) < 0) return;
}

static int fail(const char *operation, const char *object, int error) {
    report("error %s %s: %s\n", operation, object, strerror(error));
    return 1;
}

static int read_fully(int descriptor, char *bytes, size_t count) {
    while (count > 0) {
        ssize_t received = read(descriptor, bytes, count);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) return -1;
        bytes += received;
        count -= received;
    }
    return 0;
}

static int open_log(const char *directory) {
    log_directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log_directory < 0) return -errno;
    /* Open for writing too, so that the pipe does not end with the daemon. */
    log_pipe = openat(log_directory, "log.pipe", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (log_pipe < 0) return -errno;
    log_file = openat(log_directory, "daemon.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_file < 0) return -errno;
    struct stat information;
    log_length = fstat(log_file, &information) == 0 ? information.st_size : 0;
    return 0;
}

/* Two files of at most LOG_LIMIT bytes are kept. */
static void copy_log(void) {
    char bytes[16384];
    ssize_t count = read(log_pipe, bytes, sizeof bytes);
    if (count <= 0) return;
    if (log_length + count > LOG_LIMIT) {
        renameat(log_directory, "daemon.log", log_directory, "daemon.log.1");
        int next = openat(log_directory, "daemon.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
        if (next >= 0) {
            close(log_file);
            log_file = next;
        }
        log_length = 0;
    }
    if (write(log_file, bytes, count) > 0) log_length += count;
}

static int serve(void) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    int signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) return fail("signalfd", "", errno);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int descriptor = 0; descriptor < 3; descriptor++) dup2(null, descriptor);
    if (null > 2) close(null);
    if (chdir("/") < 0) return fail("chdir", "/", errno);
    report("ready\n");
    close(CONTROL);
    for (;;) {
        struct pollfd polled[2] = {{.fd = signals, .events = POLLIN}, {.fd = log_pipe, .events = POLLIN}};
        if (poll(polled, 2, -1) < 0) continue;
        if (polled[0].revents) {
            struct signalfd_siginfo information[16];
            while (read(signals, information, sizeof information) > 0) {}
            while (waitpid(-1, NULL, WNOHANG) > 0) {}
        }
        if (polled[1].revents) copy_log();
    }
}

static int operate(char *name, char **next, char *end);

static char *argument(char **next, char *end) {
    if (*next >= end) return NULL;
    char *text = *next;
    *next += strlen(text) + 1;
    return text;
}

int clab_init(int count, char **arguments) {
    (void)count, (void)arguments;
    char digits[9] = {0};
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    if (read_fully(CONTROL, digits, 8) < 0) return 1;
    long length = strtol(digits, NULL, 10);
    if (length < 1 || length > PLAN_LIMIT) return fail("plan", digits, EMSGSIZE);
    char *plan = malloc(length), *next = plan, *end = plan + length;
    if (!plan || read_fully(CONTROL, plan, length) < 0 || end[-1] != 0) return fail("plan", digits, EINVAL);
    for (char *name; (name = argument(&next, end));) {
        int result = operate(name, &next, end);
        if (result >= 0) return result;
    }
    return fail("plan", "ends without serve", EINVAL);
}

#define NEED(variable)                                                                                                 \
    char *variable = argument(next, end);                                                                              \
    if (!variable) return fail(name, "lacks an argument", EINVAL)

/* -1: go on. */
static int operate(char *name, char **next, char *end) {
    if (!strcmp(name, "fork")) {
        pid_t pid = fork();
        if (pid < 0) return fail("fork", "", errno);
        if (pid > 0) {
            report("pid %d\n", pid);
            return 0;
        }
        setsid();
        prctl(PR_SET_NAME, "lab-init");
        return -1;
    }
    if (!strcmp(name, "await")) {
        char byte;
        return read_fully(CONTROL, &byte, 1) < 0 ? 1 : -1;
    }
    if (!strcmp(name, "serve")) return serve();
    NEED(first);
    if (!strcmp(name, "join")) {
        int result = clab_join(first);
        return result < 0 ? fail(name, first, -result) : -1;
    }
    if (!strcmp(name, "unshare")) return unshare(atoi(first)) < 0 ? fail(name, first, errno) : -1;
    if (!strcmp(name, "mkdir")) return mkdir(first, 0755) < 0 && errno != EEXIST ? fail(name, first, errno) : -1;
    if (!strcmp(name, "hostname")) return sethostname(first, strlen(first)) < 0 ? fail(name, first, errno) : -1;
    if (!strcmp(name, "umount")) {
        umount2(first, MNT_DETACH);
        return -1;
    }
    if (!strcmp(name, "log")) {
        int result = open_log(first);
        return result < 0 ? fail(name, first, -result) : -1;
    }
    NEED(second);
    if (!strcmp(name, "write")) {
        int file = open(first, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0) return fail(name, first, errno);
        ssize_t written = write(file, second, strlen(second));
        int error = errno;
        close(file);
        return written < 0 ? fail(name, first, error) : -1;
    }
    NEED(type);
    NEED(flags);
    NEED(data);
    if (!strcmp(name, "mount")) {
        unsigned long bits = strtoul(flags, NULL, 10);
        if (mount(first, second, *type ? type : NULL, bits, *data ? data : NULL) < 0) return fail(name, second, errno);
        return -1;
    }
    return fail("operation", name, ENOSYS);
}
