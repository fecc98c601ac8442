/* SPDX-License-Identifier: MIT */
/* Compile-time options: each with its reason and its default. Define them on
 * the command line; the defaults are right for every target we build. */
#ifndef BPFREE_CONFIG_H
#define BPFREE_CONFIG_H

#include <float.h>

/* Sources of the runtime begin with this file; programs, which begin with bpfree.h, keep the compiler's ways. */
#ifndef BPFREE_PROGRAM
#include "bpfree/strict.h"
#endif

/* Samples per vector register, the unit in which kernels walk over samples.
 * 1 on a device: batches are streamed one sample at a time. The host build
 * compiles the same kernels with 4, 8 and 16. */
#ifndef BPFREE_LANES
#define BPFREE_LANES 1
#endif

/* Alignment of every float buffer in bytes: 4 on a device (a float; on AVR, which
 * has no alignment, 1), one cache line where vector loads are used. */
#ifndef BPFREE_ALIGN
#ifdef __AVR__
#define BPFREE_ALIGN 1
#elif BPFREE_LANES == 1
#define BPFREE_ALIGN 4
#else
#define BPFREE_ALIGN 64
#endif
#endif

/* Kernels perturb parameters as they read them, as RGE with signs and Hybrid
 * want. With 0 they leave that out, which no other estimator needs: 0.7 KB of
 * code. Firmware that the exporter writes has what its estimator wants. */
#ifndef BPFREE_PROBE_ON_READ
#define BPFREE_PROBE_ON_READ 1
#endif

/* They know the rows of a Hadamard matrix, as RGE with those and Hybrid want; with 0
 * bpfree_train_init refuses these two. */
#ifndef BPFREE_HADAMARD_ROWS
#define BPFREE_HADAMARD_ROWS 1
#endif

/* Tensors may lie in rows with gaps between them, as layers with borders want.
 * With 0 every tensor is taken to have one row: 0.5 KB of code less. Firmware that
 * the exporter writes has what its model wants. */
#ifndef BPFREE_GAPS
#define BPFREE_GAPS 1
#endif

/* RGE may probe one layer or tensor at a time; with 0 bpfree_train_init refuses what is not
 * BPFREE_JOINT: 0.3 KB of code less. Firmware that the exporter writes has what its grouping wants. */
#ifndef BPFREE_GROUPS
#define BPFREE_GROUPS 1
#endif

/* Probes may begin and end inside a slice. With 0 they move whole slices, as those of
 * BPFREE_JOINT, BPFREE_LAYER and BPFREE_TENSOR do: 1 KB of code less, and no test that a
 * step would notice. Firmware that the exporter writes has what its grouping wants. */
#ifndef BPFREE_CUT_SLICES
#define BPFREE_CUT_SLICES 1
#endif

/* Samples may have weights, as a trainer says that is `weighted`. With 0 none is
 * read, and bpfree_train_init refuses such a trainer. Firmware that the exporter writes has what its trainer wants. */
#ifndef BPFREE_WEIGHTS
#define BPFREE_WEIGHTS 1
#endif

/* A record of UnitWise may be factors of outer products, from which SGD on one sample moves theta at
 * once. With 0 bpfree_train_init refuses such a trainer: 0.5 KB of code less. Firmware that the exporter writes has
 * the record that its trainer wants. */
#ifndef BPFREE_RECORD_FACTORS
#define BPFREE_RECORD_FACTORS 1
#endif

/* It may be the gradient. With 0 bpfree_train_init refuses such a trainer: 0.3 KB of code less. Firmware that the
 * exporter writes has the record that its trainer wants. */
#ifndef BPFREE_RECORD_GRADIENT
#define BPFREE_RECORD_GRADIENT 1
#endif

/* It may look into layers that are not W themselves, such as tensor trains. With 0 bpfree_train_init refuses models
 * that have them where it looks: 0.3 KB of code less. Firmware that the exporter writes has what its model wants. */
#ifndef BPFREE_LAYERS
#define BPFREE_LAYERS 1
#endif

/* UnitWise may follow a unit through all nodes behind it. With 0 it knows what a change of the scores along a column
 * does to the loss, as with one hidden layer, and bpfree_train_init refuses other models: 0.5 KB of code less. Firmware
 * that the exporter writes has what its model wants. */
#ifndef BPFREE_RERUN
#define BPFREE_RERUN 1
#endif

/* A step with a coefficient that may make the update overflow (`coefficient_limit` of a trainer) is tried
 * before it is made, and refused where theta or state would not be finite, as on a computer. With 0 none
 * is tried: such a step is refused, and where the trainer does not say from what size on 2^64 is taken;
 * 0.8 KB of code less. */
#ifndef BPFREE_LOOK_FIRST
#define BPFREE_LOOK_FIRST 1
#endif

/* Losses may be compared on one side of theta (L+ - L0), or on both (L+ - L-). With 0 bpfree_train_init refuses a
 * trainer that does: up to 0.5 KB of code less. Firmware that the exporter writes has the one that its estimator
 * wants. */
#ifndef BPFREE_ONE_SIDED
#define BPFREE_ONE_SIDED 1
#endif
#ifndef BPFREE_TWO_SIDED
#define BPFREE_TWO_SIDED 1
#endif

/* A pass may compute both sides at once, where the tables have room for both. With 0 every pass computes one, and two
 * sides come one after the other: the same bits with half the activations, and 0.3 KB of code less; layers of Linear
 * take twice the instructions. Firmware that the exporter writes has what its tables want. */
#ifndef BPFREE_PAIRED
#define BPFREE_PAIRED 1
#endif

/* Tables may have room for one side where two are compared, which then come one after the other. With 0 all tables
 * have room for both: some 40 bytes of code less. Firmware that the exporter writes has what its tables want. */
#ifndef BPFREE_IN_TURN
#define BPFREE_IN_TURN 1
#endif

/* Updates rebuild the gradient, chunk by chunk. With 0 none does: bpfree_train_init refuses all but SGD alone,
 * with RGE of signs and one query, whose steps are additions by sign, or with UnitWise from the factors of one sample;
 * 0.7 to 0.9 KB of code less. Firmware that the exporter writes has what its trainer wants. */
#ifndef BPFREE_GRADIENTS
#define BPFREE_GRADIENTS 1
#endif

/* Updates may keep state, and those with a window look at earlier steps. With 0 bpfree_train_init refuses those that
 * do: 0.2 KB of code less each. Firmware that the exporter writes has what its update wants. */
#ifndef BPFREE_STATE
#define BPFREE_STATE 1
#endif
#ifndef BPFREE_WINDOWS
#define BPFREE_WINDOWS 1
#endif

/* bpfree_train_init looks whether settings and buffers are what a trainer may have. With 0 it believes them:
 * 0.6 KB of code less, for a program that has been seen to start. */
#ifndef BPFREE_CHECKS
#define BPFREE_CHECKS 1
#endif

/* Loops over weights take this many at a time: 1, 4 or 8. On a Cortex-M4F a step of MLP 64-32-10 takes
 * 25,000 instructions less with 4 than with 1 for 0.3 KB of code, and with 8 another 5,000 for 0.6 KB (-Os). */
#ifndef BPFREE_UNROLL
#ifdef __OPTIMIZE_SIZE__
#define BPFREE_UNROLL 4
#else
#define BPFREE_UNROLL 8
#endif
#endif
#if BPFREE_UNROLL != 1 && BPFREE_UNROLL != 4 && BPFREE_UNROLL != 8
#error "BPFREE_UNROLL must be 1, 4 or 8"
#endif

/* bpfree_train_init asks bpfree_check_arithmetic() whether sums come out as on the computer. With 0 it does not, 64
 * bytes of code on a Cortex-M4F less: right once a build and a board have been seen to pass. */
#ifndef BPFREE_CHECK_ARITHMETIC
#define BPFREE_CHECK_ARITHMETIC 1
#endif

/* Losses may come from hardware, by bpfree_probe and bpfree_tell. With 0 there are no such functions, and estimators
 * leave out what only they need: 0.1 KB of code for CGE, 0.4 KB for RGE, 0.6 KB for Hybrid. Firmware that the
 * exporter writes has 0, as its main program computes them: compile it with -DBPFREE_TELL=1. */
#ifndef BPFREE_TELL
#define BPFREE_TELL 1
#endif

/* bpfree_status_text has a sentence for each status. With 0 it returns "" for all: 0.4 KB of constants less in programs
 * that call it; others have none of it. */
#ifndef BPFREE_STATUS_TEXT
#define BPFREE_STATUS_TEXT 1
#endif

/* Elements of one random block: one Threefry call gives two words, one sign
 * per bit. Gradients are rebuilt and applied in chunks of this size, so the
 * arena holds at least this many floats. Fixed: hashes depend on it. */
#define BPFREE_BLOCK 64

#endif
