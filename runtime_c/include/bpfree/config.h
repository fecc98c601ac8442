/* SPDX-License-Identifier: MIT */
/* Compile-time options: each with its reason and its default. Define them on
 * the command line; the defaults are right for every target we build. */
#ifndef BPFREE_CONFIG_H
#define BPFREE_CONFIG_H

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
 * want. With 0 they leave that out, which no other estimator needs: 1.5 KB of
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

/* A step with a coefficient that may make the update overflow (`coefficient_limit` of a trainer) is tried
 * before it is made, and refused where theta or state would not be finite, as on a computer. With 0 none
 * is tried: such a step is refused, and where the trainer does not say from what size on 2^64 is taken;
 * 0.8 KB of code less. */
#ifndef BPFREE_LOOK_FIRST
#define BPFREE_LOOK_FIRST 1
#endif

/* bpfree_train_init asks bpfree_check_arithmetic() whether sums come out as on the computer. With 0 it does not, 64 bytes
 * of code on a Cortex-M4F less: right once a build and a board have been seen to pass. */
#ifndef BPFREE_CHECK_ARITHMETIC
#define BPFREE_CHECK_ARITHMETIC 1
#endif

/* Elements of one random block: one Threefry call gives two words, one sign
 * per bit. Gradients are rebuilt and applied in chunks of this size, so the
 * arena holds at least this many floats. Fixed: hashes depend on it. */
#define BPFREE_BLOCK 64

#endif
