/* Written by bpfree, hash of what follows: 47b32dab1ac20c3e. Once that is changed the file is yours. */
/* The settings of the run: const, in flash. */
#include "model.h"

static const float settings0[1] = {
  0x1.99999ap-3f
};
static const bpfree_link links[] = {{.update = &bpfree_upd_sgd, .settings = settings0}};

const bpfree_trainer trainer = {
  .model = &model,
  .estimator = &bpfree_est_rge,
  .links = links,
  .loss = bpfree_loss_softmax_cross_entropy,
  .sample = sample,
  .n_links = 1,
  .seed = 0u,
  .batch = 8,
  .n_queries = 4,
  .two_sided = 1,
  .mu = 0x1.0p-7f,
  .clip = 0x0.0p+0f,
  .scale = 0x1.0p+0f,
  .coefficient_limit = 0x1.0p+94f,
};
