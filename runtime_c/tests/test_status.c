/* SPDX-License-Identifier: MIT */
/* Every status has a text of its own, and no other number has one of them. */
#include "bpfree/bpfree.h"
#include "check.h"

int main(void)
{
  const char *unknown = bpfree_status_text(2);
  CHECK(strlen(unknown) > 0);
  for (int status = BPFREE_ERR_ARITHMETIC; status <= BPFREE_MORE; status++) {
    const char *text = bpfree_status_text(status);
    CHECK(strlen(text) > 0 && strcmp(text, unknown) != 0);
    for (int other = BPFREE_ERR_ARITHMETIC; other < status; other++) CHECK(strcmp(text, bpfree_status_text(other)) != 0);
  }
  CHECK(strstr(bpfree_status_text(BPFREE_ERR_SIZE), "small") != NULL);
  CHECK(strstr(bpfree_status_text(BPFREE_ERR_CALLBACK), "callback") != NULL);
  const int others[] = {BPFREE_ERR_ARITHMETIC - 1, 2, 2147483647, -2147483647 - 1};
  for (uint32_t k = 0; k < sizeof others / sizeof *others; k++) CHECK(strcmp(bpfree_status_text(others[k]), unknown) == 0);
  return CHECK_RESULT();
}
