#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes everything of the file system that `descriptor` lies on to the disk. */
int cl_syncfs(int descriptor);
/* Extended attributes of an open file or directory. */
int cl_fsetxattr(int descriptor, const char *name, const void *value, size_t size);
ssize_t cl_fgetxattr(int descriptor, const char *name, void *value, size_t size);
ssize_t cl_flistxattr(int descriptor, char *list, size_t size);
/* The device number that mknod makes of two numbers, and back. */
unsigned cl_major(uint64_t device);
unsigned cl_minor(uint64_t device);
/* Makes UTF-8 this thread's character set and returns what to give to cl_restore_locale. libarchive asks the locale how
   names are written, and a daemon's locale is usually C. */
void *cl_use_utf8(void);
void cl_restore_locale(void *previous);
enum { CL_O_PATH = 010000000 };
