#define _GNU_SOURCE
#include "CLab.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int clab_present(void) { return 1; }

/* glibc hands main's arguments to constructors; Swift's runtime has started no thread yet. */
__attribute__((constructor)) static void clab_enter_program(int count, char **arguments, char **environment) {
    (void)environment;
    if (count < 1 || strncmp(arguments[0], "martlet-lab-", 12) != 0) return;
    if (!strcmp(arguments[0], CLAB_INIT)) _exit(clab_init(count, arguments));
    if (!strcmp(arguments[0], CLAB_ENTER)) _exit(clab_enter(count, arguments));
    if (!strcmp(arguments[0], CLAB_FORWARD)) _exit(clab_forward(count, arguments));
}

int clab_join(const char *procs) {
    int file = open(procs, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    int result = write(file, "0", 1) < 0 ? -errno : 0;
    close(file);
    return result;
}
