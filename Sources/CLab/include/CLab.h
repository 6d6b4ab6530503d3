#pragma once
/* The small single-threaded programs of a lab: they live in whatever program links the Lab library, and run instead of
   it, before main and before any Swift, when it is started under one of the names below. So each has one thread, may
   fork and enter namespaces, and needs no file of its own to be found.

   martlet-lab-init LAB HOST
     Carries out the plan that it reads from descriptor 3 and becomes the first process of a host.
   martlet-lab-enter PID NAMESPACES DIRECTORY LOG COUNT PROCS... COMMAND...
     Joins the COUNT groups whose cgroup.procs files are named, enters the namespaces of process PID that the word
     NAMESPACES lists by letter (c, i, u, n, p, m), and runs COMMAND. With a LOG (a path; - for none) the command is
     left running with its output there, and its process number printed; without, its exit code is passed on.
   martlet-lab-forward PID TARGETPORT COUNT PROCS... ADDRESS...
     Accepts connections on descriptors 3 and 4 and carries each to the first of the addresses that answers, seen from
     the network namespace of process PID.
   No user needs to start them by hand. */

#define CLAB_INIT "martlet-lab-init"
#define CLAB_ENTER "martlet-lab-enter"
#define CLAB_FORWARD "martlet-lab-forward"

/* 1; refers to the object with the constructor, so that it is linked. */
int clab_present(void);

int clab_init(int count, char **arguments);
int clab_enter(int count, char **arguments);
int clab_forward(int count, char **arguments);
/* Writes "0" into a cgroup.procs file: 0, or -errno. */
int clab_join(const char *procs);
