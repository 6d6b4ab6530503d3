#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* clone3(2) with an address space of its own, as fork(2) does it: only for programs with one thread. `cgroup` is the
   descriptor of a v2 group to begin in, -1 for none; *pidfd gets a descriptor of the child where pidfd is not NULL. */
int cl_clone_process(uint64_t flags, int cgroup, int *pidfd);
enum { CL_CLONE_PARENT = 0x00008000 };
/* The new mount interface (fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2)). */
int cl_fsopen(const char *type);
int cl_fsconfig_string(int context, const char *key, const char *value);
int cl_fsconfig_flag(int context, const char *key);
/* Creates the file system and its mount, not yet attached; CL_ATTR_... */
int cl_fsmount(int context, unsigned attributes);
/* What the file system said about the last failure on this context, one line; its length, 0 for none. */
int cl_fscontext_message(int context, char *text, size_t size);
int cl_open_tree_at(int directory, const char *path, int clone, int recursive);
/* The mount that `directory` and `path` name (path may be empty): sets and clears attributes, and its propagation. */
int cl_mount_setattr(int directory, const char *path, int recursive, uint64_t set, uint64_t clear, uint64_t propagation);
/* Maps the owners of a detached mount, and of those beneath it where asked, by a user namespace. */
int cl_mount_set_idmap(int tree, int user_namespace, int recursive);
/* Attaches a tree onto what `target` is open on. */
int cl_move_mount_onto(int tree, int target);
enum { CL_ATTR_RDONLY = 1, CL_ATTR_NOSUID = 2, CL_ATTR_NODEV = 4, CL_ATTR_NOEXEC = 8, CL_ATTR_NOATIME = 0x10,
       CL_ATTR_STRICTATIME = 0x20, CL_ATTR_ATIME_MASK = 0x70, CL_ATTR_NODIRATIME = 0x80,
       CL_ATTR_NOSYMFOLLOW = 0x200000 };
int cl_execveat(int descriptor, char *const arguments[], char *const environment[]);
/* A descriptor that reports SIGCHLD and SIGTERM, which are blocked from now on. */
int cl_signal_descriptor(void);
/* The same for every signal, and the next one that has come: 0 for none. */
int cl_all_signals_descriptor(void);
int cl_next_signal(int descriptor);
/* Empties it. */
void cl_drain_signals(int descriptor);
/* Every signal at its default and none blocked. */
void cl_reset_signals(void);
int cl_setdomainname(const char *name, size_t length);
/* A new session keyring, so that the keys of the parent's stay out of reach (keyctl(2)). */
int cl_new_session_keyring(const char *name);
/* The permitted capabilities of this process, and its bounding set. */
int cl_permitted_capabilities(uint64_t *permitted, uint64_t *bounding);
int cl_socketpair_packets(int descriptors[2]);
/* Seals a memfd against every change; its seals. */
int cl_seal(int descriptor);
int cl_seals(int descriptor);
int cl_memfd_sealable(const char *name);
ssize_t cl_sendfile(int to, int from, size_t count);
/* Process 1 of a container that asked for one: passes signals on to `child`, reaps, and ends as `child` does. Does not
   return. Closes what it does not need. */
void cl_run_reaper(pid_t child) __attribute__((noreturn));
/* The magic number of the file system that `descriptor` is on (statfs(2)). */
int64_t cl_filesystem_type(int descriptor);
