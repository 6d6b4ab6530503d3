#define _GNU_SOURCE
#include "CLinux.h"
#include "address.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int cl_unix_is_bound(const char *path) {
    struct sockaddr_un address;
    int directory, probe = -1, result = cl_address_of(path, &address, &directory);
    if (result == 0) {
        probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        result = probe < 0 || connect(probe, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 1;
    }
    if (probe >= 0) close(probe);
    if (directory >= 0) close(directory);
    if (result == -EPROTOTYPE) return 1;
    return result == -ECONNREFUSED || result == -ENOENT ? 0 : result;
}
