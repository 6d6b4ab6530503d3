#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int cl_unix_is_bound(const char *path) {
    const char *slash = strrchr(path, '/');
    char parent[4096] = ".";
    if (slash) {
        if (slash - path >= (long)sizeof parent) return -ENAMETOOLONG;
        memcpy(parent, path, slash - path);
        parent[slash - path] = 0;
    }
    int directory = open(slash == path ? "/" : parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return errno == ENOENT ? 0 : -errno;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory,
                          slash ? slash + 1 : path);
    int result = -ENAMETOOLONG, probe = -1;
    if (length < (int)sizeof address.sun_path) {
        probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        result = probe < 0 || connect(probe, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 1;
    }
    if (probe >= 0) close(probe);
    close(directory);
    if (result == -EPROTOTYPE) return 1;
    return result == -ECONNREFUSED || result == -ENOENT ? 0 : result;
}
