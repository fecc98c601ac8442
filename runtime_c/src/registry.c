/* SPDX-License-Identifier: MIT */
/* The tables of pointers, for hosts: firmware names its kernels directly, so
 * that what it does not use is not linked. */
#include <stddef.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include "bpfree/host.h"

#define BPFREE_ISA scalar
#include "registry_isa.h"
#define BPFREE_ISA baseline
#include "registry_isa.h"
#ifdef BPFREE_HAVE_AVX2
#define BPFREE_ISA avx2
#include "registry_isa.h"
#endif
#ifdef BPFREE_HAVE_AVX512
#define BPFREE_ISA avx512
#include "registry_isa.h"
#endif

#define COUNT(table) ((uint32_t)(sizeof(table) / sizeof((table)[0])))
#define ROW(isa, lanes) \
  {#isa, lanes, ops_##isa, jets_##isa, losses_##isa, updates_##isa, bpfree_contract_##isa, \
   bpfree_contract_part_##isa, bpfree_math_##isa}

static const struct isa {
  const char *name;
  uint32_t lanes;
  const bpfree_kernel *ops;
  const bpfree_jet *jets;
  const bpfree_loss *losses;
  const bpfree_update *const *updates;
  void (*contract)(float *, const float *, uint32_t, uint32_t, const float *, uint32_t, uint32_t, uint32_t);
  bpfree_contraction part;
  int (*math)(uint32_t, uint32_t, const float *, float *);
} isas[] = {
    ROW(scalar, 1),
    ROW(baseline, 4),
#ifdef BPFREE_HAVE_AVX2
    ROW(avx2, 8),
#endif
#ifdef BPFREE_HAVE_AVX512
    ROW(avx512, 16),
#endif
};

const char *bpfree_isa_name(uint32_t isa) { return isa < COUNT(isas) ? isas[isa].name : NULL; }

uint32_t bpfree_isa_lanes(uint32_t isa) { return isa < COUNT(isas) ? isas[isa].lanes : 0; }

#if defined(__x86_64__)
/* By CPUID, not __builtin_cpu_supports, which is a stub that always says no
 * where compiler-rt replaces libgcc. */
static int processor_runs(uint32_t lanes)
{
  const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, avx2 = 1u << 5;
  unsigned a, b, c, d, saved, unused;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return 0; /* OSXSAVE */
  __asm__ volatile("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  /* the processor has the instructions and the system saves the registers */
  if (lanes == 8) return (saved & 0x06u) == 0x06u && (b & avx2);
  return (saved & 0xe6u) == 0xe6u && (b & (f | dq | bw | vl)) == (f | dq | bw | vl);
}
#endif

int bpfree_isa_supported(uint32_t isa)
{
  if (isa >= COUNT(isas)) return 0;
#if defined(__x86_64__)
  if (isas[isa].lanes > 4) return processor_runs(isas[isa].lanes);
#endif
  return 1;
}

/* Of one lane: estimators that look into the layers stream samples. */
#define BPFREE_SLOPE(number, name) void bpfree_slope_##name##_scalar(const bpfree_pass *, const bpfree_node *, float *);
#include "bpfree/slopes.gen.def"
#undef BPFREE_SLOPE
#define BPFREE_LOSS(number, name) extern const bpfree_closed bpfree_closed_##name##_scalar;
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
#define BPFREE_LAYER_ROW(number, name) extern const bpfree_layer bpfree_layer_##name##_scalar;
#include "bpfree/layers.gen.def"
#undef BPFREE_LAYER_ROW
static const bpfree_layer *const layers[] = {
#define BPFREE_LAYER_ROW(number, name) [number] = &bpfree_layer_##name##_scalar,
#include "bpfree/layers.gen.def"
#undef BPFREE_LAYER_ROW
};
static const bpfree_slope slopes[] = {
#define BPFREE_SLOPE(number, name) [number] = bpfree_slope_##name##_scalar,
#include "bpfree/slopes.gen.def"
#undef BPFREE_SLOPE
};
static const bpfree_closed *const closed[] = {
#define BPFREE_LOSS(number, name) [number] = &bpfree_closed_##name##_scalar,
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
};

static const bpfree_estimator *const estimators[] = {
#define BPFREE_ESTIMATOR(number, name) [number] = &bpfree_est_##name,
#include "bpfree/estimators.gen.def"
#undef BPFREE_ESTIMATOR
};
static const bpfree_factor schedules[] = {
#define BPFREE_SCHEDULE(number, name) [number] = bpfree_sched_##name,
#include "bpfree/schedules.gen.def"
#undef BPFREE_SCHEDULE
};

static const bpfree_rule *const rules[] = {
#define BPFREE_RULE(number, name) [number] = &bpfree_rule_##name,
#include "bpfree/rules.gen.def"
#undef BPFREE_RULE
};
static const bpfree_residual residuals[] = {
#define BPFREE_RESIDUAL(number, name) [number] = bpfree_residual_##name,
#include "bpfree/problems.gen.def"
#undef BPFREE_RESIDUAL
};

bpfree_kernel bpfree_registry_op(uint32_t isa, uint32_t number)
{
  return isa < COUNT(isas) && number < COUNT(ops_scalar) ? isas[isa].ops[number] : NULL;
}

bpfree_jet bpfree_registry_jet(uint32_t isa, uint32_t op)
{
  return isa < COUNT(isas) && op < COUNT(jets_scalar) ? isas[isa].jets[op] : NULL;
}

bpfree_contraction bpfree_registry_contraction(uint32_t isa) { return isa < COUNT(isas) ? isas[isa].part : NULL; }

bpfree_loss bpfree_registry_loss(uint32_t isa, uint32_t number)
{
  return isa < COUNT(isas) && number < COUNT(losses_scalar) ? isas[isa].losses[number] : NULL;
}

bpfree_slope bpfree_registry_slope(uint32_t op) { return op < COUNT(slopes) ? slopes[op] : NULL; }

const bpfree_layer *bpfree_registry_layer(uint32_t op) { return op < COUNT(layers) ? layers[op] : NULL; }

const bpfree_closed *bpfree_registry_closed(uint32_t loss) { return loss < COUNT(closed) ? closed[loss] : NULL; }

const bpfree_estimator *bpfree_registry_estimator(uint32_t number)
{
  return number < COUNT(estimators) ? estimators[number] : NULL;
}

const bpfree_update *bpfree_registry_update(uint32_t isa, uint32_t number)
{
  return isa < COUNT(isas) && number < COUNT(updates_scalar) ? isas[isa].updates[number] : NULL;
}

bpfree_factor bpfree_registry_schedule(uint32_t number)
{
  return number < COUNT(schedules) ? schedules[number] : NULL;
}

const bpfree_rule *bpfree_registry_rule(uint32_t number) { return number < COUNT(rules) ? rules[number] : NULL; }

bpfree_residual bpfree_registry_residual(uint32_t number)
{
  return number < COUNT(residuals) ? residuals[number] : NULL;
}

void bpfree_contract_parts(uint32_t isa, float *y, const float *a, uint32_t k_stride, uint32_t m_stride,
                           const float *x, uint32_t parts, uint32_t rows, uint32_t inner, uint32_t columns)
{
  for (uint32_t p = 0; p < parts; p++) {
    isas[isa].contract(y, a, k_stride, m_stride, x, rows, inner, columns);
    y += (size_t)rows * columns;
    x += (size_t)inner * columns;
  }
}

/* Strips of x are turned, so that a sum over columns vectorises over k; sums go on from strip to strip. */
void bpfree_outer_parts(uint32_t isa, float *y, const float *d, const float *x, uint32_t parts, uint32_t rows,
                        uint32_t inner, uint32_t columns, float *strip)
{
  for (uint32_t p = 0; p < parts; p++) {
    for (uint32_t c0 = 0; c0 < columns; c0 += BPFREE_OUTER_STRIP) {
      const uint32_t count = columns - c0 < BPFREE_OUTER_STRIP ? columns - c0 : BPFREE_OUTER_STRIP;
      for (uint32_t k = 0; k < inner; k++)
        for (uint32_t c = 0; c < count; c++) strip[c * inner + k] = x[(size_t)k * columns + c0 + c];
      isas[isa].contract(y, d + c0, 1, columns, strip, rows, count, inner);
    }
    d += (size_t)rows * columns;
    x += (size_t)inner * columns;
  }
}

#define NAMED(number, name) [number] = #name,
static const char *const op_names[] = {
#define BPFREE_OP NAMED
#include "bpfree/ops.gen.def"
#undef BPFREE_OP
};
static const char *const loss_names[] = {
#define BPFREE_LOSS NAMED
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
};
static const char *const estimator_names[] = {
#define BPFREE_ESTIMATOR NAMED
#include "bpfree/estimators.gen.def"
#undef BPFREE_ESTIMATOR
};
static const char *const update_names[] = {
#define BPFREE_UPDATE NAMED
#include "bpfree/updates.gen.def"
#undef BPFREE_UPDATE
};
static const char *const schedule_names[] = {
#define BPFREE_SCHEDULE NAMED
#include "bpfree/schedules.gen.def"
#undef BPFREE_SCHEDULE
};
static const char *const rule_names[] = {
#define BPFREE_RULE NAMED
#include "bpfree/rules.gen.def"
#undef BPFREE_RULE
};
static const char *const problem_names[] = {
#define BPFREE_RESIDUAL NAMED
#include "bpfree/problems.gen.def"
#undef BPFREE_RESIDUAL
};

const char *bpfree_registry_name(const char *table, uint32_t number)
{
  const struct {
    const char *name;
    const char *const *rows;
    uint32_t count;
  } tables[] = {{"ops", op_names, COUNT(op_names)},
                {"losses", loss_names, COUNT(loss_names)},
                {"estimators", estimator_names, COUNT(estimator_names)},
                {"updates", update_names, COUNT(update_names)},
                {"schedules", schedule_names, COUNT(schedule_names)},
                {"rules", rule_names, COUNT(rule_names)},
                {"problems", problem_names, COUNT(problem_names)}};
  for (uint32_t k = 0; k < COUNT(tables); k++)
    if (strcmp(tables[k].name, table) == 0) return number < tables[k].count ? tables[k].rows[number] : NULL;
  return NULL;
}

int bpfree_math(uint32_t isa, uint32_t number, uint32_t n, const float *x, float *y)
{
  return isa < COUNT(isas) ? isas[isa].math(number, n, x, y) : BPFREE_ERR_ARG;
}
