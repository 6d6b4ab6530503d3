#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

int cl_syncfs(int descriptor) { return syncfs(descriptor) < 0 ? -errno : 0; }
int cl_fsetxattr(int descriptor, const char *name, const void *value, size_t size) {
    return fsetxattr(descriptor, name, value, size, 0) < 0 ? -errno : 0;
}
ssize_t cl_fgetxattr(int descriptor, const char *name, void *value, size_t size) {
    ssize_t length = fgetxattr(descriptor, name, value, size);
    return length < 0 ? -errno : length;
}
ssize_t cl_flistxattr(int descriptor, char *list, size_t size) {
    ssize_t length = flistxattr(descriptor, list, size);
    return length < 0 ? -errno : length;
}
unsigned cl_major(uint64_t device) { return major(device); }
unsigned cl_minor(uint64_t device) { return minor(device); }

static locale_t utf8;
static void make_utf8(void) { utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }

void *cl_use_utf8(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_utf8);
    return uselocale(utf8);
}
void cl_restore_locale(void *previous) { uselocale((locale_t)previous); }
