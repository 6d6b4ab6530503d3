#define _GNU_SOURCE
#include "CLab.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTENERS = 3, CONNECTION_LIMIT = 512, CONNECT_MILLISECONDS = 2000, PIECE = 65536 };

static int connect_to(const char *address, int port) {
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    socklen_t length = sizeof *v4;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        length = sizeof *v6;
    } else {
        return -1;
    }
    int connection = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection < 0) return -1;
    if (connect(connection, (struct sockaddr *)&storage, length) < 0) {
        struct pollfd polled = {.fd = connection, .events = POLLOUT};
        int error = errno;
        socklen_t size = sizeof error;
        if (error == EINPROGRESS && poll(&polled, 1, CONNECT_MILLISECONDS) == 1)
            getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            close(connection);
            return -1;
        }
    }
    fcntl(connection, F_SETFL, 0);
    return connection;
}

/* Carries bytes one way until the end, then passes the end on. */
static void carry(int from, int to) {
    static char bytes[PIECE];
    for (;;) {
        ssize_t count = read(from, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        for (ssize_t written = 0, sent; written < count; written += sent) {
            sent = write(to, bytes + written, count - written);
            if (sent < 0) {
                shutdown(from, SHUT_RD);
                return;
            }
        }
    }
    shutdown(to, SHUT_WR);
}

static void serve(int client, char **addresses, int count, unsigned turn, int port) {
    int target = -1;
    for (int index = 0; index < count && target < 0; index++)
        target = connect_to(addresses[(turn + index) % count], port);
    if (target < 0) {
        /* An abortive end, as a refused connection would be. */
        struct linger abort = {.l_onoff = 1, .l_linger = 0};
        setsockopt(client, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close(client);
        _exit(1);
    }
    signal(SIGCHLD, SIG_DFL);
    pid_t other = fork();
    if (other == 0) {
        carry(target, client);
        _exit(0);
    }
    carry(client, target);
    if (other > 0) waitpid(other, NULL, 0);
    _exit(0);
}

int clab_forward(int count, char **arguments) {
    if (count < 5) return 125;
    int port = atoi(arguments[2]), groups = atoi(arguments[3]), running = 0;
    char **addresses = arguments + 4 + groups, path[64];
    int targets = count - 4 - groups;
    if (groups < 0 || targets < 1) return 125;
    setsid();
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "/proc/%s/ns/net", arguments[1]);
    int network = open(path, O_RDONLY | O_CLOEXEC);
    if (network < 0) return 125;
    for (int group = 0; group < groups; group++)
        if (clab_join(arguments[4 + group]) < 0) return 125;
    if (setns(network, CLONE_NEWNET) < 0 || chdir("/") < 0) return 125;
    close(network);
    struct pollfd polled[2] = {{.fd = LISTENERS, .events = POLLIN}, {.fd = LISTENERS + 1, .events = POLLIN}};
    for (unsigned turn = 0;; turn++) {
        while (waitpid(-1, NULL, running >= CONNECTION_LIMIT ? 0 : WNOHANG) > 0) running--;
        if (poll(polled, 2, 1000) <= 0) continue;
        for (int index = 0; index < 2; index++) {
            if (polled[index].revents & (POLLERR | POLLNVAL)) polled[index].fd = -1;
            if (!(polled[index].revents & POLLIN)) continue;
            int client = accept4(LISTENERS + index, NULL, NULL, SOCK_CLOEXEC);
            if (client < 0) continue;
            pid_t pid = fork();
            if (pid == 0) {
                close(LISTENERS);
                close(LISTENERS + 1);
                serve(client, addresses, targets, turn, port);
            }
            if (pid > 0) running++;
            close(client);
        }
    }
}
