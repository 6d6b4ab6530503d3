#define _GNU_SOURCE
#include "CGuardedStart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

// No function of libc may be called here: it has not set itself up yet, nor the thread's storage.
#include <barecall.inc>

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl cl_guarded_start\n"
        ".type cl_guarded_start, @function\n"
        "cl_guarded_start:\n"
        "  mov %rdx, %r12\n"
        "  mov %rsp, %rbx\n"
        "  mov %rsp, %rdi\n"
        "  call cl_go_on_guarded\n"
        "  mov %rbx, %rsp\n"
        "  mov %r12, %rdx\n"
        "  jmp _start\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl cl_guarded_start\n"
        ".type cl_guarded_start, %function\n"
        "cl_guarded_start:\n"
        "  mov x19, x0\n"
        "  mov x0, sp\n"
        "  bl cl_go_on_guarded\n"
        "  mov x0, x19\n"
        "  b _start\n");
#else
#error "martlet-runtime runs on x86-64 and AArch64"
#endif

static CL_BARE int equal(const char *left, const char *right) {
    while (*left && *left == *right) left++, right++;
    return *left == *right;
}

static CL_BARE char *append(char *end, const char *text) {
    while (*text) *end++ = *text++;
    return end;
}

static CL_BARE char *append_number(char *end, unsigned long number) {
    char digits[24];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count) *end++ = digits[--count];
    return end;
}

/// Whether the open file is on a read-only mount.
static CL_BARE int is_read_only(int file) {
    struct statfs system;
    return cl_bare_call(SYS_fstatfs, file, (long)&system, 0, 0, 0) == 0 && system.f_flags & ST_RDONLY;
}

static CL_BARE int same_file(int file, const struct stat *other) {
    struct stat information;
    return cl_bare_call(SYS_newfstatat, file, (long)"", (long)&information, AT_EMPTY_PATH, 0) == 0 &&
           information.st_dev == other->st_dev && information.st_ino == other->st_ino;
}

/// Reads a decimal number and goes on behind it; -1 where there is none.
static CL_BARE int take_number(const char **text) {
    long number = 0;
    const char *begin = *text;
    while (**text >= '0' && **text <= '9' && number < 1 << 24) number = number * 10 + *(*text)++ - '0';
    return *text == begin ? -1 : (int)number;
}

/// As many as `SleepingShim` names at most.
#define WATCHED 280

/// Reads `r4,r5,h9`: descriptors that there may be something to read from, and those whose other end may go. Their
/// number; -1 where the text is anything else.
static CL_BARE int take_watches(const char *text, struct pollfd *watches) {
    int count = 0;
    do {
        if (count == WATCHED || (*text != 'r' && *text != 'h')) return -1;
        watches[count].events = *text++ == 'r' ? POLLIN : 0;
        watches[count].revents = 0;
        watches[count].fd = take_number(&text);
        if (watches[count++].fd < 0) return -1;
    } while (*text++ == ',');
    return text[-1] == 0 ? count : -1;
}

/// An idle shim (`SleepingShim`), as it asks for with `shim --asleep PROGRAM WATCHES --resume …`: waits until there is
/// something to do, then goes on as `shim --resume …`. Nothing but a page or two of stack has been written to by then.
/// Where it cannot wait it goes on at once.
static CL_BARE void sleep_as_shim(char **arguments, char **environment) {
    struct pollfd watches[WATCHED];
    const char *number = arguments[3];
    int program = take_number(&number);
    int count = take_watches(arguments[4], watches);
    if (count >= 0)
        while (cl_bare_call(SYS_ppoll, (long)watches, count, 0, 0, 0) == -EINTR) {}
    cl_bare_call(SYS_fcntl, program, F_SETFD, FD_CLOEXEC, 0, 0);
    arguments[4] = arguments[1];
    arguments[3] = arguments[0];
    // Want of memory passes; without this process its container would be killed.
    for (;;) {
        cl_bare_call(SYS_execveat, program, (long)"", (long)(arguments + 3), (long)environment, AT_EMPTY_PATH);
        // The kernel writes what is left of it.
        struct timespec pause = {0, 100000000};
        cl_bare_call(SYS_ppoll, 0, 0, (long)&pause, 0, 0);
    }
}

#define PATH "/run/martlet-runtime-program/"

/// - Parameter stack: as the kernel leaves it (System V ABI): the count of arguments, they, 0, the environment, 0.
CL_BARE void cl_go_on_guarded(long *stack) {
    long count = stack[0];
    char **arguments = (char **)(stack + 1);
    char **environment = arguments + count + 1;
    if (count > 6 && equal(arguments[1], "shim") && equal(arguments[2], "--asleep"))
        sleep_as_shim(arguments, environment);
    int makes = 0;
    for (long i = 1; i < count; i++)
        makes |= equal(arguments[i], "create") || equal(arguments[i], "run") || equal(arguments[i], "exec");
    if (!makes || cl_bare_call(SYS_geteuid, 0, 0, 0, 0, 0) != 0) return;
#ifdef DEBUG
    for (char **entry = environment; *entry; entry++) {
        const char *name = "MARTLET_WITHOUT_GUARD=", *text = *entry;
        while (*name && *name == *text) name++, text++;
        if (!*name) return;
    }
#endif
    int program = (int)cl_bare_call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_PATH | O_CLOEXEC, 0, 0);
    if (program < 0) return;
    struct stat information;
    if (is_read_only(program) ||
        cl_bare_call(SYS_newfstatat, program, (long)"", (long)&information, AT_EMPTY_PATH, 0) != 0) {
        cl_bare_call(SYS_close, program, 0, 0, 0, 0);
        return;
    }
    cl_bare_call(SYS_close, program, 0, 0, 0, 0);
    char path[sizeof PATH + 48];
    char *end = append_number(append(path, PATH), information.st_dev);
    *end++ = '-';
    *append_number(end, information.st_ino) = 0;
    int standing = (int)cl_bare_call(SYS_openat, AT_FDCWD, (long)path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0);
    if (standing < 0) return;
    if (same_file(standing, &information) && is_read_only(standing))
        cl_bare_call(SYS_execveat, standing, (long)"", (long)arguments, (long)environment, AT_EMPTY_PATH);
    cl_bare_call(SYS_close, standing, 0, 0, 0, 0);
}
