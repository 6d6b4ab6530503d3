#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *address, socklen_t *length) {
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, size);
    *length = offsetof(struct sockaddr_un, sun_path) + size + 1;
    if (path[0] == '@') {
        address->sun_path[0] = 0;
        *length -= 1;
    }
    return 0;
}

int cl_datagram_bind(const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    int result = address_of(path, &address, &length);
    if (result < 0) return result;
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    unlink(path);
    if (bind(descriptor, (struct sockaddr *)&address, length) < 0 || chmod(path, 0777) < 0) {
        result = -errno;
        close(descriptor);
        return result;
    }
    return descriptor;
}

int cl_datagram_send(const char *path, const void *bytes, size_t size) {
    struct sockaddr_un address;
    socklen_t length;
    int result = address_of(path, &address, &length);
    if (result < 0) return result;
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (sendto(descriptor, bytes, size, MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0) result = -errno;
    close(descriptor);
    return result;
}
