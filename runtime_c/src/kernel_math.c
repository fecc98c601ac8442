/* SPDX-License-Identifier: MIT */
/* The runtime's own math over arrays: one loop a function, which has no branch,
 * so that the compiler makes vectors of it. */
#include "kernel.h"
#include "math32.h"

#define OVER(function)                                         \
  do {                                                         \
    for (uint32_t k = 0; k < n; k++) y[k] = function(x[k]);    \
  } while (0)

int BPFREE_KERNEL(math)(uint32_t number, uint32_t n, const float *restrict x, float *restrict y);

int BPFREE_KERNEL(math)(uint32_t number, uint32_t n, const float *restrict x, float *restrict y)
{
  switch (number) {
  case 0: OVER(bpfree_exp32); return BPFREE_OK;
  case 1: OVER(bpfree_log32); return BPFREE_OK;
  case 2: OVER(bpfree_tanh32); return BPFREE_OK;
  case 3: OVER(bpfree_sigmoid32); return BPFREE_OK;
  case 4: OVER(bpfree_sin32); return BPFREE_OK;
  case 5: OVER(bpfree_cos32); return BPFREE_OK;
  case 6: OVER(bpfree_expm1_32); return BPFREE_OK;
  case 7: OVER(bpfree_log1p_32); return BPFREE_OK;
  default: return BPFREE_ERR_ARG;
  }
}
