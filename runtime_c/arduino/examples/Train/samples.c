/* Written by bpfree, hash of what follows: cc31cf7f80f11570. Once that is changed the file is yours. */
/* Samples in flash, walked in shuffled minibatches. */
#include "model.h"

#ifdef __MACH__
#define DATA
#else
#define DATA __attribute__((section(".rodata.bpfree_data")))
#endif

static const uint8_t rows[64] DATA = {
  0, 31, 62, 93, 97, 187, 21, 111, 194, 87, 236, 129, 35, 243, 195, 147, 132, 143, 154, 165, 229, 43, 113, 183,
  70, 199, 72, 201, 167, 99, 31, 219, 8, 255, 246, 237, 105, 155, 205, 255, 202, 55, 164, 17, 43, 211, 123, 35,
  140, 111, 82, 53, 237, 11, 41, 71, 78, 167, 0, 89, 175, 67, 215, 107
};

static const uint32_t labels[16] DATA = {
  1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1
};

int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{
  const uint32_t row = bpfree_batch_index(0u, step, 8, 16, i);
  (void)user;
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)rows[row * MODEL_FEATURES + k] * 0x1.0p-8f;
  y->label = labels[row];
  return 0;
}
