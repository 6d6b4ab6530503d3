#define _GNU_SOURCE
#include "CLinux.h"
#include "result.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int cl_openat2(int directory, const char *path, int flags, unsigned mode, uint64_t resolve) {
    struct open_how how = {.flags = (unsigned)flags, .mode = mode, .resolve = resolve};
    return RESULT(syscall(SYS_openat2, directory, path, &how, sizeof how));
}
int cl_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return RESULT(mount(source, target, type, flags, data));
}
int cl_umount(const char *target, int flags) { return RESULT(umount2(target, flags)); }
int cl_pivot_root(const char *new_root, const char *put_old) { return RESULT(syscall(SYS_pivot_root, new_root, put_old)); }
int cl_mknodat(int directory, const char *path, unsigned mode, unsigned major, unsigned minor) {
    return RESULT(mknodat(directory, path, mode, makedev(major, minor)));
}
int cl_memfd(const char *name) { return RESULT(memfd_create(name, MFD_CLOEXEC)); }
int cl_open_tree_clone(const char *path) {
    return RESULT(syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}
int cl_mount_set_readonly(int tree) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    return RESULT(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes));
}

int cl_lock_record(int descriptor) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(descriptor, F_SETLK, &lock) < 0 ? -errno : 0;
}

int cl_write_out(int descriptor) {
    unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return sync_file_range(descriptor, 0, 0, flags) < 0 ? -errno : 0;
}

int cl_record_is_locked(int descriptor) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_GETLK, &lock) < 0) return -errno;
    return lock.l_type != F_UNLCK;
}
