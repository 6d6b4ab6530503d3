#define _GNU_SOURCE
#include "CLab.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static int fail(const char *operation, const char *object) {
    fprintf(stderr, "martlet lab: %s %s: %s\n", operation, object, strerror(errno));
    return 125;
}

static void pass_on(int signal) {
    if (child > 0) kill(child, signal);
}

static const struct {
    char letter;
    const char *name;
    int type;
} kinds[] = {{'c', "cgroup", CLONE_NEWCGROUP}, {'i', "ipc", CLONE_NEWIPC}, {'u', "uts", CLONE_NEWUTS},
             {'n', "net", CLONE_NEWNET},       {'p', "pid", CLONE_NEWPID}, {'m', "mnt", CLONE_NEWNS}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int become(char **command) {
    execvp(command[0], command);
    int missing = errno == ENOENT;
    fail("exec", command[0]);
    return missing ? 127 : 126;
}

/* The command shall be a child of the host's first process, which reaps it: an orphan goes to the first process of its
   parent's namespace, so the parent that dies must itself have been born inside. Its number as it is seen out here
   comes with the credentials of a message, which the kernel translates. */
static int leave_running(char **command, int output) {
    int ends[2], on = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail("socketpair", "");
    if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) return fail("setsockopt", "SO_PASSCRED");
    child = fork();
    if (child < 0) return fail("fork", "");
    if (child == 0) {
        pid_t inner = fork();
        if (inner != 0) _exit(inner < 0);
        setsid();
        if (write(ends[1], "", 1) != 1) _exit(125);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0);
        dup2(output, 1);
        dup2(output, 2);
        _exit(become(command));
    }
    close(ends[1]);
    char byte, control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec vector = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t received = recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = received == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    waitpid(child, NULL, 0);
    if (!header || header->cmsg_type != SCM_CREDENTIALS) return fail("start", command[0]);
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    printf("%d\n", (int)credentials.pid);
    fflush(stdout);
    return 0;
}

int clab_enter(int count, char **arguments) {
    if (count < 7) return fail("usage", "PID NAMESPACES DIRECTORY LOG COUNT PROCS... COMMAND...");
    /* Whoever started this may block signals, as the threads of a pool do, and ignore that of a broken pipe. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    const char *pid = arguments[1], *wanted = arguments[2], *directory = arguments[3], *log = arguments[4];
    int groups = atoi(arguments[5]), namespaces[KINDS], output = -1;
    char **command = arguments + 6 + groups;
    if (groups < 0 || groups > 64 || 6 + groups >= count) return fail("usage", "no command");
    int is_detached = strcmp(log, "-") != 0;
    if (is_detached && (output = open(log, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) return fail("open", log);
    if (is_detached) fcntl(output, F_SETFL, 0);
    for (int kind = 0; kind < KINDS; kind++) {
        char path[64];
        namespaces[kind] = -1;
        if (!strchr(wanted, kinds[kind].letter)) continue;
        snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kinds[kind].name);
        if ((namespaces[kind] = open(path, O_RDONLY | O_CLOEXEC)) < 0) return fail("open", path);
    }
    for (int group = 0; group < groups; group++) {
        int result = clab_join(arguments[6 + group]);
        errno = -result;
        if (result < 0) return fail("join", arguments[6 + group]);
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (namespaces[kind] >= 0 && setns(namespaces[kind], kinds[kind].type) < 0)
            return fail("setns", kinds[kind].name);
    if (chdir(directory) < 0 && chdir("/") < 0) return fail("chdir", directory);

    /* The host's own programs come last on the path. */
    const char *path = getenv("PATH");
    char extended[8192];
    int length = snprintf(extended, sizeof extended, "%s:/run/lab/bin",
                          path && *path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (length < (int)sizeof extended) setenv("PATH", extended, 1);

    if (is_detached) return leave_running(command, output);

    const int passed[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    child = fork();
    if (child < 0) return fail("fork", "");
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(become(command));
    }
    for (unsigned index = 0; index < sizeof passed / sizeof *passed; index++) {
        struct sigaction action = {.sa_handler = pass_on};
        sigaction(passed[index], &action, NULL);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return fail("waitpid", command[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
