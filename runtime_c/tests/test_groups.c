/* SPDX-License-Identifier: MIT */
/* Groups of parameters by layer and by tensor. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

static void groups(void)
{
  const bpfree_model *model = &dense_network.model; /* layers 0 (frozen), 2 and 4: 11-9-5, weight and bias each */
  const bpfree_rge joint = {.grouping = BPFREE_JOINT}, layers = {.grouping = BPFREE_LAYER};
  const bpfree_rge tensors = {.grouping = BPFREE_TENSOR};
  bpfree_trainer t = {.model = model, .estimator = &bpfree_est_rge};
  uint32_t first, count;
  CHECK_EQUAL(bpfree_n_groups(&t), 1);
  t.settings = &joint;
  CHECK_EQUAL(bpfree_n_groups(&t), 1);
  CHECK_EQUAL(bpfree_group(&t, 0, &first, &count), BPFREE_OK);
  CHECK(first == 0 && count == 11 * 9 + 9 + 9 * 5 + 5);
  CHECK_EQUAL(bpfree_group(&t, 1, &first, &count), BPFREE_ERR_ARG);
  t.settings = &layers;
  CHECK_EQUAL(bpfree_n_groups(&t), 2);
  CHECK_EQUAL(bpfree_group(&t, 1, &first, &count), BPFREE_OK);
  CHECK(first == 11 * 9 + 9 && count == 9 * 5 + 5);
  CHECK_EQUAL(bpfree_group(&t, 2, &first, &count), BPFREE_ERR_ARG);
  t.settings = &tensors;
  CHECK_EQUAL(bpfree_n_groups(&t), 4);
  CHECK_EQUAL(bpfree_group(&t, 3, &first, &count), BPFREE_OK);
  CHECK(first == 11 * 9 + 9 + 9 * 5 && count == 5);
  CHECK_EQUAL(bpfree_group(&t, 4, &first, &count), BPFREE_ERR_ARG);
  t.estimator = &bpfree_est_cge; /* one group, whatever it has of its own */
  CHECK_EQUAL(bpfree_n_groups(&t), 1);
  CHECK_EQUAL(bpfree_group(&t, 0, &first, &count), BPFREE_OK);
  CHECK(first == 0 && count == model->n_theta);
}

int main(void)
{
  groups();
  return CHECK_RESULT();
}
