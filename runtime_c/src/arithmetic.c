/* SPDX-License-Identifier: MIT */
#include "arithmetic.h"
#include "bpfree/model.h"

int bpfree_check_arithmetic(void)
{
  return bpfree_strict() ? BPFREE_OK : BPFREE_ERR_ARITHMETIC;
}
