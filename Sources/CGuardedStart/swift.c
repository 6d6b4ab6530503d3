#include "CGuardedStart.h"

#include <process.h>

// What is here stands in the place of the standard library's own functions: a static program takes an object of an
// archive only for what is missing.

/// For `CommandLine`. Swift's own looks for the arguments in /proc/self/maps when the program starts.
char **_swift_stdlib_getUnsafeArgvArgc(int *count) { return cl_arguments(count); }

/// Of the program that prints traces of crashes. Swift's own looks for it in eight places; there is none.
char *swift_copyAuxiliaryExecutablePath(const char *name) {
    (void)name;
    return 0;
}
