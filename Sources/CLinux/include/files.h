#pragma once
#include <stdint.h>
#include <sys/types.h>

int cl_openat2(int directory, const char *path, int flags, unsigned mode, uint64_t resolve);
int cl_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int cl_umount(const char *target, int flags);
int cl_pivot_root(const char *new_root, const char *put_old);
int cl_mknodat(int directory, const char *path, unsigned mode, unsigned major, unsigned minor);
int cl_memfd(const char *name);
int cl_open_tree_clone(const char *path);
int cl_mount_set_readonly(int tree);
/* A lock for writing on the whole file, without waiting (fcntl(2): F_SETLK). It is this process's, not that of its
   children, and ends when the process closes the file. */
int cl_lock_record(int descriptor);

/* 1 where another process has such a lock. */
int cl_record_is_locked(int descriptor);
/* Waits until what was written to a file is on its way through the disk's queue and out of the kernel's memory; says
   nothing of whether it survives a loss of power (sync_file_range(2)). */
int cl_write_out(int descriptor);

enum { CL_RESOLVE_NO_XDEV = 0x01, CL_RESOLVE_NO_MAGICLINKS = 0x02, CL_RESOLVE_NO_SYMLINKS = 0x04,
       CL_RESOLVE_BENEATH = 0x08, CL_RESOLVE_IN_ROOT = 0x10 };
enum { CL_MS_RDONLY = 1, CL_MS_NOSUID = 2, CL_MS_NODEV = 4, CL_MS_NOEXEC = 8, CL_MS_REMOUNT = 32, CL_MS_BIND = 4096,
       CL_MS_MOVE = 8192, CL_MS_REC = 16384, CL_MS_UNBINDABLE = 1 << 17, CL_MS_PRIVATE = 1 << 18,
       CL_MS_SLAVE = 1 << 19, CL_MS_SHARED = 1 << 20, CL_MNT_DETACH = 2 };
