// Runs a command and writes down which functions of one program it enters, in the order of their first use:
//   runtime-order PROGRAM ADDRESSES RESULT COMMAND [ARGUMENT...]
// ADDRESSES has one function's address a line, in hexadecimal, rising; RESULT gets those that were entered. PROGRAM is
// linked to fixed addresses. Each process of the command that executes PROGRAM, or another name of the same file, gets
// a breakpoint on each function (ptrace(2)); one that was hit is taken away.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "only x86-64's breakpoints are known here"
#endif

#define TRAP 0xcc
#define OPTIONS                                                                                          \
    (PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | \
     PTRACE_O_EXITKILL)

static struct stat program;
static unsigned long *addresses;
static unsigned char *originals, *seen;
static size_t count;
static FILE *result;

static void fail(const char *what) {
    fprintf(stderr, "runtime-order: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_memory(pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", process);
    return open(path, O_RDWR | O_CLOEXEC);
}

static int executes_program(pid_t process) {
    char path[64];
    struct stat information;
    snprintf(path, sizeof path, "/proc/%d/exe", process);
    return stat(path, &information) == 0 && information.st_dev == program.st_dev &&
           information.st_ino == program.st_ino;
}

static void set_breakpoints(pid_t process) {
    int memory = open_memory(process);
    unsigned char trap = TRAP;
    if (memory < 0) fail("/proc/PID/mem");
    for (size_t i = 0; i < count; i++) {
        if (seen[i]) continue;
        if (pread(memory, originals + i, 1, addresses[i]) != 1) fail("reading an address");
        if (pwrite(memory, &trap, 1, addresses[i]) != 1) fail("writing a breakpoint");
    }
    close(memory);
}

static int compare(const void *left, const void *right) {
    unsigned long a = *(const unsigned long *)left, b = *(const unsigned long *)right;
    return a < b ? -1 : a > b;
}

/// Whether a process stopped at one of the breakpoints, which then is gone from its memory.
static int take_breakpoint(pid_t process) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, process, 0, &registers) != 0) return 0;
    unsigned long address = registers.rip - 1;
    unsigned long *found = bsearch(&address, addresses, count, sizeof address, compare);
    if (!found) return 0;
    size_t index = (size_t)(found - addresses);
    int memory = open_memory(process);
    if (memory < 0 || pwrite(memory, originals + index, 1, address) != 1) fail("taking a breakpoint away");
    close(memory);
    registers.rip = address;
    if (ptrace(PTRACE_SETREGS, process, 0, &registers) != 0) fail("PTRACE_SETREGS");
    if (!seen[index]) fprintf(result, "%lx\n", address);
    seen[index] = 1;
    return 1;
}

static void read_addresses(const char *path) {
    FILE *file = fopen(path, "re");
    unsigned long address;
    size_t room = 0;
    if (!file) fail(path);
    while (fscanf(file, "%lx", &address) == 1) {
        if (count == room) addresses = realloc(addresses, (room = room * 2 + 4096) * sizeof *addresses);
        if (!addresses) fail("addresses");
        addresses[count++] = address;
    }
    fclose(file);
    originals = calloc(count, 1);
    seen = calloc(count, 1);
    if (!originals || !seen) fail("addresses");
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "runtime-order PROGRAM ADDRESSES RESULT COMMAND [ARGUMENT...]\n"), 2;
    if (stat(argv[1], &program) != 0) fail(argv[1]);
    read_addresses(argv[2]);
    if (!(result = fopen(argv[3], "we"))) fail(argv[3]);
    pid_t first = fork();
    if (first < 0) fail("fork");
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(argv[4], argv + 4);
        fail(argv[4]);
    }
    int status, answer = 1;
    if (waitpid(first, &status, __WALL) != first || !WIFSTOPPED(status)) fail("waitpid");
    if (ptrace(PTRACE_SETOPTIONS, first, 0, OPTIONS) != 0) fail("PTRACE_SETOPTIONS");
    ptrace(PTRACE_CONT, first, 0, 0);
    pid_t process;
    while ((process = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) {
            if (process == first) answer = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        if (event == PTRACE_EVENT_EXEC) {
            if (executes_program(process)) set_breakpoints(process);
            signal = 0;
        } else if (event || signal == SIGSTOP || (signal == SIGTRAP && take_breakpoint(process))) {
            // SIGSTOP is what a new process begins with.
            signal = 0;
        }
        ptrace(PTRACE_CONT, process, 0, signal);
    }
    return answer;
}
