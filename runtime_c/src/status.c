/* SPDX-License-Identifier: MIT */
/* What a status means, for people. */
#include "bpfree/model.h"

#if BPFREE_STATUS_TEXT
static const char *const texts[] = {
    "done",
    "an argument is out of its range",
    "a buffer is too small",
    "a buffer is not aligned",
    "bytes are not what they claim to be",
    "a format version that cannot be read here",
    "bytes belong to another model",
    "a checksum does not match",
    "storage failed",
    "a number is not finite; nothing was updated",
    "storage is full",
    "a callback returned an error",
    "this processor does not compute as equal bits need",
};
#endif

const char *bpfree_status_text(int status)
{
#if BPFREE_STATUS_TEXT
  if (status == BPFREE_MORE) return "there is more to do";
  if (status <= 0 && status >= BPFREE_ERR_ARITHMETIC) return texts[-status];
  return "no status of bpfree";
#else
  (void)status;
  return "";
#endif
}
