#pragma once
#include <errno.h>

/* What a call of the C library answers, or the negative error number. */
#define RESULT(call) ({ long result_ = (call); result_ < 0 ? -errno : (int)result_; })
