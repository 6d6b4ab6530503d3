#ifndef CGUARDEDSTART_H
#define CGUARDEDSTART_H

/// The name of the entry symbol of `martlet-runtime`, which the linker is told (ADR 11). Before libc and Swift set
/// themselves up, it looks whether the program is about to make processes of containers, and goes on in the read-only
/// mount of its own file that an earlier start left (`StandingProgram`). Where there is none, or anything is not as it
/// should be, the program starts as usual and `ExecutableGuard` sees to it. A shim that sleeps never gets further than here
/// until there is something to do (ADR 12).
extern const char cl_guarded_start[];

#endif
