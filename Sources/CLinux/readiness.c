#define _GNU_SOURCE
#include "CLinux.h"
#include "result.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

int cl_epoll_create(void) { return RESULT(epoll_create1(EPOLL_CLOEXEC)); }
int cl_epoll_arm(int epoll, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = EPOLLONESHOT, .data.fd = descriptor};
    if (events & CL_READABLE) event.events |= EPOLLIN | EPOLLRDHUP;
    if (events & CL_WRITABLE) event.events |= EPOLLOUT;
    int result = RESULT(epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event));
    return result == -ENOENT ? RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)) : result;
}
int cl_epoll_remove(int epoll, int descriptor) { return RESULT(epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL)); }
int cl_epoll_wait(int epoll, int *descriptors, uint32_t *events, int count, int timeout) {
    struct epoll_event found[64];
    if (count > 64) count = 64;
    int number = epoll_wait(epoll, found, count, timeout);
    if (number < 0) return errno == EINTR ? 0 : -errno;
    for (int index = 0; index < number; index++) {
        descriptors[index] = found[index].data.fd;
        events[index] = 0;
        if (found[index].events & (EPOLLIN | EPOLLRDHUP)) events[index] |= CL_READABLE;
        if (found[index].events & EPOLLOUT) events[index] |= CL_WRITABLE;
        if (found[index].events & (EPOLLERR | EPOLLHUP)) events[index] |= CL_READABLE | CL_WRITABLE;
    }
    return number;
}
int cl_eventfd(void) { return RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
