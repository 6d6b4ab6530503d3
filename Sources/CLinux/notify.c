#define _GNU_SOURCE
#include "CLinux.h"
#include "address.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* One that begins with @ is a name that no file has. */
static int notify_address(const char *path, struct sockaddr_un *address, socklen_t *length, int *directory) {
    *length = sizeof *address;
    if (path[0] != '@') return cl_address_of(path, address, directory);
    size_t size = strlen(path);
    *directory = -1;
    if (size > sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, path + 1, size - 1);
    *length = offsetof(struct sockaddr_un, sun_path) + size;
    return 0;
}

int cl_datagram_bind(const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    int directory, descriptor = -1, result = notify_address(path, &address, &length, &directory);
    if (result < 0) goto out;
    unlink(path);
    descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, length) < 0 || chmod(path, 0777) < 0)
        result = -errno;
out:
    if (directory >= 0) close(directory);
    if (result < 0 && descriptor >= 0) close(descriptor);
    return result < 0 ? result : descriptor;
}

int cl_datagram_send(const char *path, const void *bytes, size_t size) {
    struct sockaddr_un address;
    socklen_t length;
    int directory, descriptor = -1, result = notify_address(path, &address, &length, &directory);
    if (result < 0) goto out;
    descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || sendto(descriptor, bytes, size, MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0)
        result = -errno;
out:
    if (directory >= 0) close(directory);
    if (descriptor >= 0) close(descriptor);
    return result;
}
