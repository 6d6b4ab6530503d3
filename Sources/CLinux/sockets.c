#define _GNU_SOURCE
#include "CLinux.h"
#include "address.h"
#include "result.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int cl_address_of(const char *path, struct sockaddr_un *address, int *directory) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    *directory = -1;
    if (!*path) return -ENOENT;
    if (strlen(path) < sizeof address->sun_path) {
        strcpy(address->sun_path, path);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    char parent[4096];
    if (!slash || slash - path >= (long)sizeof parent) return -ENAMETOOLONG;
    memcpy(parent, path, slash - path);
    parent[slash - path] = 0;
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0) return -errno;
    int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *directory, slash + 1);
    return length < (int)sizeof address->sun_path ? 0 : -ENAMETOOLONG;
}

int cl_unix_listen(const char *path, int backlog, unsigned mode) {
    struct sockaddr_un address;
    int directory, listener = -1, result = cl_address_of(path, &address, &directory);
    if (result < 0) goto out;
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || fchmod(listener, mode) < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(path, mode) < 0 || listen(listener, backlog) < 0)
        result = -errno;
out:
    if (directory >= 0) close(directory);
    if (result < 0 && listener >= 0) close(listener);
    return result < 0 ? result : listener;
}

int cl_unix_connect(const char *path) {
    struct sockaddr_un address;
    int directory, connection = -1, result = cl_address_of(path, &address, &directory);
    if (result < 0) goto out;
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) < 0) result = -errno;
out:
    if (directory >= 0) close(directory);
    if (result < 0 && connection >= 0) close(connection);
    return result < 0 ? result : connection;
}

int cl_accept(int listener) { return RESULT(accept4(listener, NULL, NULL, SOCK_CLOEXEC)); }
int cl_socketpair(int descriptors[2]) { return RESULT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors)); }

ssize_t cl_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, int count) {
    char control[CMSG_SPACE(CL_DESCRIPTOR_LIMIT * sizeof(int))] = {0};
    struct iovec vector = {(void *)bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > CL_DESCRIPTOR_LIMIT) return -EINVAL;
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t cl_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, int *count) {
    char control[CMSG_SPACE(CL_DESCRIPTOR_LIMIT * sizeof(int))];
    struct iovec vector = {bytes, length};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    *count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (int index = 0; index < number && *count < CL_DESCRIPTOR_LIMIT; index++)
            memcpy(&descriptors[(*count)++], CMSG_DATA(header) + index * sizeof(int), sizeof(int));
    }
    return received;
}
