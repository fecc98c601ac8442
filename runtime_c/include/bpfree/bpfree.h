/* SPDX-License-Identifier: MIT */
/* bpfree: train neural networks with forward passes only. Include this. */
#ifndef BPFREE_H
#define BPFREE_H

#define BPFREE_PROGRAM /* not a source of the runtime: strict.h does not bind it */
#include "bpfree/config.h"
#include "bpfree/rng.h"
#include "bpfree/model.h"
#include "bpfree/train.h"
#include "bpfree/estimators.h"
#include "bpfree/journal.h"
#include "bpfree/pde.h"

#endif
