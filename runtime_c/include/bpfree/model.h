/* SPDX-License-Identifier: MIT */
/* A model is data: nodes over tensors and named slices of one flat parameter
 * vector. Tables are const and trusted (written by the exporter or the host
 * engine); nothing here allocates, prints, recurses or keeps state.
 *
 * Units: sizes count elements of their kind, offsets words of 4 bytes: floats,
 * as long as FLOAT32 is the only kind there is. Activations are feature-major
 * with samples last, (features, n): element (f, s) is at f * n + s.
 * Ownership: the caller owns every buffer and keeps it alive during a call. */
#ifndef BPFREE_MODEL_H
#define BPFREE_MODEL_H

#include <stdint.h>
#include "bpfree/config.h"
#include "bpfree/rng.h"

/* Floats of an array, for what asks how many there are. Of an array itself: a pointer does not know. */
#define BPFREE_FLOATS(array) ((uint32_t)(sizeof(array) / sizeof(float)))

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* Status codes: errors are negative; never renumbered. */
enum bpfree_status {
  BPFREE_OK = 0,
  BPFREE_ERR_ARG = -1,      /* an argument is out of its documented range */
  BPFREE_ERR_SIZE = -2,     /* a buffer is too small */
  BPFREE_ERR_ALIGN = -3,    /* a buffer is not aligned to BPFREE_ALIGN */
  BPFREE_ERR_FORMAT = -4,   /* bytes are not what they claim to be */
  BPFREE_ERR_VERSION = -5,  /* a format version this build cannot read */
  BPFREE_ERR_MODEL = -6,    /* bytes belong to another model */
  BPFREE_ERR_CRC = -7,      /* checksum mismatch */
  BPFREE_ERR_IO = -8,       /* a storage hook failed */
  BPFREE_ERR_NUMERIC = -9,  /* a loss is not finite, or theta or state would not be; nothing was updated */
  BPFREE_ERR_FULL = -10,    /* storage is full */
  BPFREE_ERR_CALLBACK = -11, /* a user callback returned an error */
  BPFREE_ERR_ARITHMETIC = -12, /* this thread does not compute as equal bits need */
  BPFREE_MORE = 1              /* reserved: no error, there is more to do before this is finished */
};

/* What the elements of a slice or a tensor are. Numbers are never given twice:
 * 1 is reserved for int8, 2 for int16. */
enum bpfree_kind {
  BPFREE_FLOAT32 = 0
};

/* One named parameter tensor. */
typedef struct bpfree_slice {
  uint32_t offset;      /* first word in its vector */
  uint32_t size;        /* elements */
  uint32_t first_block; /* random block of element 0 in a direction */
  uint32_t layer;       /* slices of one layer share this number */
  uint32_t frozen;      /* 0: in theta (RAM); 1: in the frozen vector (flash) */
  uint32_t kind;        /* enum bpfree_kind */
} bpfree_slice;

/* One activation. A paired evaluation keeps two copies, side 0 for
 * theta + mu u and side 1 for theta - mu u, unless no parameter precedes it.
 * Elements lie in rows, so that a layer can write into a buffer with a border:
 * row r begins `r * stride` elements behind the first. A tensor without gaps has
 * one row; so have the model's input and output, and what an estimator keeps. */
typedef struct bpfree_tensor {
  uint32_t size;   /* elements per sample, a multiple of row */
  uint32_t offset; /* words per sample from the start of the arena */
  uint32_t side;   /* from side 0 to side 1 in words per sample; 0: shared */
  uint32_t row;    /* elements of a row; size where there is one */
  uint32_t stride; /* elements from the beginning of a row to that of the next, at least row */
  uint32_t kind;   /* enum bpfree_kind */
} bpfree_tensor;

struct bpfree_pass;
struct bpfree_node;

/* A kernel computes one node for all samples and sides of a pass. */
typedef void (*bpfree_kernel)(const struct bpfree_pass *pass, const struct bpfree_node *node);

typedef struct bpfree_node {
  bpfree_kernel kernel;       /* named directly, so unused kernels do not link */
  const uint32_t *attributes; /* words, meaning per op (see the op's file) */
  const uint32_t *inputs;     /* (n_inputs) tensor numbers */
  uint32_t n_inputs;          /* as many as the op reads; it may read none */
  uint32_t output;            /* tensor number */
  uint32_t first_slice;       /* its parameters start here */
  uint32_t n_slices;
  uint32_t scratch;           /* words per sample from the start of the arena */
  uint32_t piece;             /* elements that always lie side by side in all it reads and writes: a common divisor
                               * of their rows; what elementwise ops take at a time */
} bpfree_node;

typedef struct bpfree_model {
  const bpfree_node *nodes; /* in execution order */
  const bpfree_tensor *tensors;
  const bpfree_slice *slices;
  const float *frozen; /* (n_frozen), aligned to 4 */
  uint32_t n_nodes;
  uint32_t n_tensors;
  uint32_t n_slices;
  uint32_t n_theta;      /* words of theta */
  uint32_t n_frozen;     /* words of the frozen vector */
  uint32_t input;        /* tensor number; lives outside the arena */
  uint32_t output;       /* tensor number */
  uint32_t arena_sample; /* arena words per sample */
  uint32_t arena_fixed;  /* arena words besides, whatever the batch */
  uint32_t hash[2];      /* FNV-1a-64 of the graph, low word first */
} bpfree_model;

/* What a direction u consists of; bpfree/directions has a row for each. */
enum bpfree_direction {
  BPFREE_RADEMACHER = 0, /* signs: -1 or 1 */
  BPFREE_GAUSSIAN = 1,   /* standard normal numbers */
  BPFREE_SPHERE = 2,     /* those, scaled to the length sqrt(elements that move) */
  BPFREE_COORDINATE = 3, /* 1 at one element of theta, 0 elsewhere */
  BPFREE_HADAMARD = 4    /* signs, times a row of the Hadamard matrix: column k for element k of theta */
};

/* A direction u and its radius. Never stored: regenerated from (seed, step,
 * address). It moves a range of theta, whose trainable slices lie one after the
 * other; it may begin and end inside a slice, and the bits of u do not depend on where. */
struct bpfree_probe {
  uint32_t seed;
  uint32_t step;
  uint32_t address;   /* bpfree_address(domain, query, sample) */
  float mu;           /* side 0 is theta + mu u; may be negative */
  uint32_t first;     /* elements [first, first + count) of theta move */
  uint32_t count;
  uint32_t direction; /* enum bpfree_direction */
  uint32_t element;   /* of theta, for BPFREE_COORDINATE, which reads only mu besides; for BPFREE_HADAMARD the row */
};

/* One evaluation of the graph. */
typedef struct bpfree_pass {
  const bpfree_model *model;
  const float *theta;        /* (n_theta), never written */
  const struct bpfree_probe *probe; /* BPFREE_RADEMACHER or _HADAMARD, put on as parameters are read; NULL: none */
  const float *x;            /* (features, n) */
  float *arena;              /* bpfree_arena_size() floats */
  uint32_t n;                /* samples: a multiple of the kernels' lanes, 1 where there is one lane;
                              * without a probe kernels of several lanes take any number */
  uint32_t sides;            /* 1, or 2 for a paired evaluation */
} bpfree_pass;

/* Floats of arena a pass over n samples needs. */
uint32_t bpfree_arena_size(const bpfree_model *model, uint32_t n);

/* Runs every node. Afterwards side s of the output is at
 * bpfree_output(pass, s), shape (outputs, n), until the arena is reused. */
void bpfree_forward(const bpfree_pass *pass);
const float *bpfree_output(const bpfree_pass *pass, uint32_t side);

/* Floats of arena that inference needs. */
uint32_t bpfree_predict_size(const bpfree_model *model);

/* y (outputs) = what the model makes of one sample x (features) with the parameters theta (n_theta), which may lie in
 * flash; y may be in the arena, which is free afterwards. floats: those of the arena. Returns BPFREE_OK, and y need
 * not be finite; BPFREE_ERR_ARG (no model, or a buffer that is missing; theta may be where n_theta is 0),
 * BPFREE_ERR_SIZE (an arena of less than bpfree_predict_size() floats) or BPFREE_ERR_ALIGN, with y as it was. */
int bpfree_predict(const bpfree_model *model, const float *theta, const float *x, float *arena, uint32_t floats,
                   float *y);

/* out = fl(theta + fl(mu u)), elements outside the probe copied; out may not
 * overlap theta. Returns BPFREE_OK or BPFREE_ERR_ARG (range, direction or
 * element out of theta). */
int bpfree_perturb(const bpfree_model *model, const float *theta, const struct bpfree_probe *probe, float *out);

/* FNV-1a-64 over the little-endian bytes of n floats: the theta hash. */
uint64_t bpfree_hash(const float *values, uint32_t n);

/* BPFREE_OK, or BPFREE_ERR_ARITHMETIC when sums here do not come out as on other machines, and hashes would differ
 * without a word: compiler flags fuse a multiplication and an addition or reorder products, or this thread flushes
 * subnormal numbers to zero or does not round to nearest, as another library may have set. bpfree_train_init and the
 * calls on batches ask it themselves. */
int bpfree_check_arithmetic(void);
/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
