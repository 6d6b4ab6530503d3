#pragma once
#include <stdint.h>
#include <sys/types.h>

/* What this program was called with, where the kernel put it: what is written there is what others see in
   /proc/PID/cmdline (proc(5)). */
char **cl_arguments(int *count);
/// Gives the pages of the program's own code and constants back, which come again from its file when they are used.
/// Only for a program that is not linked with libraries beside itself.
void cl_forget_code(void);
int cl_unshare(int flags);
int cl_setns(int descriptor, int flags);
int cl_pidfd_send_signal(int pidfd, int signal);
/* fork(2): only for programs with one thread. */
int cl_fork(void);
int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int cl_sethostname(const char *name, size_t length);
int cl_pipe2(int descriptors[2], int flags);
int cl_close_range(unsigned first, unsigned last, unsigned flags);
int cl_execve(const char *path, char *const arguments[], char *const environment[]);
int cl_setrlimit(int resource, uint64_t soft, uint64_t hard);
int cl_getrlimit(int resource, uint64_t *soft, uint64_t *hard);
/* Lets a process's hard limit be no lower than `hard`; its soft limit stays (prlimit(2)). */
int cl_raise_limit(pid_t pid, int resource, uint64_t hard);
int cl_setgroups(size_t count, const uint32_t *groups);
int cl_setresgid(uint32_t gid);
int cl_setresuid(uint32_t uid);
int cl_set_terminal_size(int descriptor, unsigned short rows, unsigned short columns);
int cl_get_terminal_size(int descriptor, unsigned short *rows, unsigned short *columns);
int cl_take_terminal(int descriptor);
/* Opens a pseudo terminal in the devpts instance at `directory` (NULL: /dev): the master's descriptor, its number in *number. */
int cl_open_terminal(const char *ptmx, int *number);
int cl_open_terminal_peer(int master, int flags);
/* Starts a program with descriptors 0.. taken from `descriptors`, a session of its own where asked; *pid gets its number. */
int cl_spawn(const char *path, char *const arguments[], char *const environment[], const int *descriptors,
             int count, int new_session, pid_t *pid);
/* waitpid(2) without waiting where asked: the process that ended, 0 for none; *code is its exit code, 128 + signal. */
int cl_wait(pid_t pid, int nohang, int *code);
enum { CL_CLONE_NEWNS = 0x00020000, CL_CLONE_NEWCGROUP = 0x02000000, CL_CLONE_NEWUTS = 0x04000000,
       CL_CLONE_NEWIPC = 0x08000000, CL_CLONE_NEWUSER = 0x10000000, CL_CLONE_NEWPID = 0x20000000,
       CL_CLONE_NEWNET = 0x40000000, CL_CLONE_NEWTIME = 0x00000080 };
