// Trains a network of 44 parameters on this board, with forward passes only, and says whether theta has the bits that
// the computer got. It learns which half of a row of light sensors is the brighter one, from 16 readings in samples.c.
//
// model.c, model.h, trainer.c and samples.c come from `bpfree export firmware`; put those of your model in their place.
#include <bpfree.h>
#include "model.h"

// All the RAM of the run.
static float theta[MODEL_THETA], x[MODEL_FEATURES], arena[TRAINER_ARENA], record[TRAINER_RECORD];

void setup() {
  Serial.begin(115200);
  bpfree_context run = {};
  run.theta = theta;
  run.theta_floats = MODEL_THETA;
  run.x = x;
  run.x_floats = MODEL_FEATURES;
  run.arena = arena;
  run.arena_floats = TRAINER_ARENA;
  run.coefficients = record;
  run.coefficient_floats = TRAINER_RECORD;
  memcpy(theta, model_theta, sizeof theta);

  int status = bpfree_train_init(&trainer, &run);
  while (status == BPFREE_OK && run.step < MODEL_STEPS) status = bpfree_step(&trainer, &run);

  const uint64_t hash = bpfree_hash(theta, MODEL_THETA);
  Serial.print(F("status "));
  Serial.println(status);
  Serial.print(F("theta "));
  for (int bits = 60; bits >= 0; bits -= 4) Serial.print((unsigned)(hash >> bits & 15), HEX);
  Serial.println(hash == MODEL_HASH ? F(" equal to the computer's") : F(" NOT equal to the computer's"));
}

void loop() {}
