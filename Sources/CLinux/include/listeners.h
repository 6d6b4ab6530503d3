#pragma once

/* Whether somebody still has the stream socket at a path open: 1, 0 where nobody has or nothing is there, or -errno.
   The socket that asks is of another kind, which is refused before it gets into the listener's queue. */
int cl_unix_is_bound(const char *path);
