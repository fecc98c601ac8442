/* Written by bpfree, hash of what follows: 317426d5a27295e9. Once that is changed the file is yours. */
/* The model's tables, sizes and initial parameters. */
#ifndef MODEL_H
#define MODEL_H

#include "bpfree/bpfree.h"

#define MODEL_FEATURES 4 /* floats of a sample */
#define MODEL_OUTPUTS 2 /* floats of a result */
#define MODEL_THETA 44 /* trainable parameters */
#define MODEL_ARENA 16 /* floats of activations; no plan needs fewer than 16 */
#define TRAINER_ARENA 64 /* floats: activations, or a chunk of gradient */
#define TRAINER_RECORD 4 /* floats of a step's record */
#define TRAINER_STATE 0 /* floats of the update's state */
#define TRAINER_WORK 0 /* floats the estimator works in */
#define MODEL_STEPS 50 /* training steps of main.c */
#define MODEL_HASH 0xb64c92db9f4b948du /* FNV-1a of theta at the end, as a computer has it */

extern const bpfree_model model;
extern const float model_theta[MODEL_THETA]; /* initial parameters, in flash */
extern const bpfree_trainer trainer; /* the settings of the run */

/* Sample i of the minibatch of a step: a bpfree_sample_fn, see bpfree/train.h. */
int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y);

#endif
