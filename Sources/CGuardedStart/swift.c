#include "CGuardedStart.h"

// What is here stands in the place of the standard library's own functions: a static program takes an object of an
// archive only for what is missing.

static char **arguments;
static int argument_count;

/// libc hands a constructor what it hands main.
__attribute__((constructor)) static void keep_arguments(int count, char **given) {
    arguments = given;
    argument_count = count;
}

/// For `CommandLine`. Swift's own looks for the arguments in /proc/self/maps.
char **_swift_stdlib_getUnsafeArgvArgc(int *count) {
    *count = argument_count;
    return arguments;
}

/// Of the program that prints traces of crashes. Swift's own looks for it in eight places; there is none.
char *swift_copyAuxiliaryExecutablePath(const char *name) {
    (void)name;
    return 0;
}
