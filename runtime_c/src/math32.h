/* SPDX-License-Identifier: MIT */
/*
 * math32.h - exp, log, tanh, sigmoid, sin and cos for float32 with the same bits on every machine.
 *
 * A C library's expf/logf/sinf differ in the last bit from one platform to the next.  These
 * use only + - * / and compares on float, in one fixed order, plus unsigned arithmetic on the
 * bit pattern, so any IEEE-754 machine in round-to-nearest with subnormals on gives the same
 * result.  bpfree/arithmetic/math32.py is the NumPy twin, operation for operation.
 *
 * A fused multiply-add rounds once where these count on twice: bpfree/strict.h forbids it.
 *
 * Every special case is a select between values already computed, never a jump, so a loop
 * over these functions vectorises.  Coefficients are minimax fits (linear programming on 3000
 * Chebyshev nodes), rounded to float32 one by one with the rest refitted after each rounding.
 * Errors are in ulp of the exact result, the worst over all 2^32 inputs.
 */
#ifndef BPFREE_MATH32_H
#define BPFREE_MATH32_H

#include <stdint.h>
#include "bits.h"
#include "bpfree/config.h"

/* yes ? a : b, by masking.  Under its default -ftrapping-math gcc compiles ?: on a float compare
 * to a jump, and then does not vectorise the loop around it for AVX2. */
static inline float bpfree_select32(int yes, float a, float b)
{
    const uint32_t mask = 0u - (uint32_t)yes;
    return bpfree_float32((bpfree_bits32(a) & mask) | (bpfree_bits32(b) & ~mask));
}

/* exp(r) - 1 for |r| <= ln 2 / 2: r + r^2 q(r), q of degree 4. */
static inline float bpfree_small_expm1(float r)
{
    float q = 0x1.6a4eccp-10f;
    q = q * r + 0x1.12399cp-7f;
    q = q * r + 0x1.5558b0p-5f;
    q = q * r + 0x1.555492p-3f;
    q = q * r + 0x1.fffffcp-2f;
    return r + (r * r) * q;
}

/*
 * exp(x) = 2^n * exp(r),  n = round(x / ln 2),  r = x - n ln 2  (Cody-Waite),
 * exp(r) ~ 1 + (r + r^2 q(r)),  |r| <= 0.347, q of degree 4.
 *
 * Max error 0.989 ulp.
 * x > 88.72283 (result above FLT_MAX), +inf -> +inf.  x < -87.33654 (result below FLT_MIN),
 * -inf -> +0: there are no subnormal results.  Subnormal x, +-0 -> 1.  NaN -> NaN.
 */
static inline float bpfree_exp32(float x)
{
    const float top = 0x1.62e42ep+6f;     /* largest x with a finite result */
    const float bottom = -0x1.5d589ep+6f; /* smallest x with a normal result */
    const float magic = 0x1.8p+23f;       /* ulp 1: adding it rounds to an integer */
    const float ln2_hi = 0x1.62e4p-1f;    /* 15 bits, so n * ln2_hi is exact */
    const float ln2_lo = 0x1.7f7d1cp-20f;
    float c = bpfree_select32(x > bottom, x, bottom); /* NaN becomes bottom, too */
    float t, n, r, y;
    c = bpfree_select32(c < top, c, top);
    t = c * 0x1.715476p+0f + magic;
    n = t - magic;
    r = (c - n * ln2_hi) - n * ln2_lo;
    y = 1.0f + bpfree_small_expm1(r);
    /* The low bits of t hold n; the shift drops those of magic.  Adding to the exponent field
     * instead of multiplying by 2^n reaches n = 128, which has no float of its own. */
    y = bpfree_float32(bpfree_bits32(y) + (bpfree_bits32(t) << 23));
    y = bpfree_select32(x < bottom, 0.0f, y);
    y = bpfree_select32(x > top, bpfree_float32(0x7f800000u), y);
    return bpfree_select32(x == x, y, x);
}

/*
 * exp(x) - 1: by the polynomial of exp where |x| < 0.34375, and exp(x) - 1 elsewhere.
 *
 * Max error 3.35 ulp.
 * +-0 -> +0.  x > 88.72283 -> +inf.  x < -17.32868 -> -1.  NaN -> NaN.
 */
#define BPFREE_EXPM1_SMALL 0.34375f
static inline float bpfree_expm1_32(float x)
{
    const float small = bpfree_small_expm1(x), large = bpfree_exp32(x) - 1.0f;
    return bpfree_select32((x < BPFREE_EXPM1_SMALL) & (x > -BPFREE_EXPM1_SMALL), small, large);
}

/* (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f < sqrt(2). */
static inline float bpfree_log_poly(float f)
{
    float p = -0x1.38c910p-4f;
    p = p * f + 0x1.055e62p-3f;
    p = p * f - 0x1.0d8232p-3f;
    p = p * f + 0x1.22d936p-3f;
    p = p * f - 0x1.54728cp-3f;
    p = p * f + 0x1.99a01cp-3f;
    p = p * f - 0x1.000226p-2f;
    p = p * f + 0x1.555554p-2f;
    return p;
}

/*
 * x = 2^e * (1 + f),  sqrt(1/2) <= 1 + f < sqrt(2),
 * log(x) = e ln 2 + f - f^2 / 2 + f^3 p(f),  p of degree 7.
 * e ln2_hi + f is the one sum whose rounding would show, so its error is recovered (Fast2Sum).
 *
 * Max error 0.904 ulp.
 * +-0 -> -inf.  x < 0, -inf -> NaN.  +inf -> +inf.  Subnormal x: as accurate as the rest.
 * NaN -> NaN.  log(1) is +0.
 */
static inline float bpfree_log32(float x)
{
    const uint32_t sqrt_half = 0x3f3504f3u; /* bits of sqrt(1/2) */
    const float ln2_hi = 0x1.62e4p-1f;      /* 15 bits, so e * ln2_hi is exact */
    const float ln2_lo = 0x1.7f7d1cp-20f;
    const float inf = bpfree_float32(0x7f800000u);
    /* Subnormals are made normal first: times 2^23, and e 23 less. */
    float m = bpfree_select32(x < FLT_MIN, x * 0x1p+23f, x);
    float bias = bpfree_select32(x < FLT_MIN, 8388608.0f + 150.0f, 8388608.0f + 127.0f);
    /* Shifted so that the exponent field steps at sqrt(1/2) and not at 1. */
    uint32_t u = bpfree_bits32(m) + (0x3f800000u - sqrt_half);
    float e = bpfree_float32(0x4b000000u + (u >> 23)) - bias; /* 2^23 + field */
    float f = bpfree_float32((u & 0x007fffffu) + sqrt_half) - 1.0f;
    float f2 = f * f;
    float hi = e * ln2_hi;
    float sum = hi + f;
    float lost = f - (sum - hi); /* exact, as hi is 0 or larger than f */
    float y = sum + (lost + (e * ln2_lo + ((f2 * f) * bpfree_log_poly(f) - 0.5f * f2)));
    y = bpfree_select32(x < inf, y, x); /* +inf, NaN */
    y = bpfree_select32(x > 0.0f, y, bpfree_float32(0x7fc00000u));
    y = bpfree_select32(x == 0.0f, -inf, y);
    return y;
}

/*
 * log(1 + x): by the polynomial of log where -0.28125 < x < 0.40625, and log(1 + x) elsewhere.
 *
 * Max error 2.31 ulp.
 * +-0 -> +-0.  -1 -> -inf.  x < -1 -> NaN.  +inf -> +inf.  NaN -> NaN.
 */
#define BPFREE_LOG1P_BELOW (-0.28125f)
#define BPFREE_LOG1P_ABOVE 0.40625f
static inline float bpfree_small_log1p(float x)
{
    const float x2 = x * x;
    return x + ((x2 * x) * bpfree_log_poly(x) - 0.5f * x2);
}

static inline float bpfree_log1p_32(float x)
{
    const float large = bpfree_log32(1.0f + x);
    return bpfree_select32((x < BPFREE_LOG1P_ABOVE) & (x > BPFREE_LOG1P_BELOW), bpfree_small_log1p(x), large);
}

/*
 * tanh(|x|) ~ |x| + |x| (x^2 p(x^2))      for |x| < 0.625, p of degree 4,
 *           = 1 - 2 / (exp(2|x|) + 1)     otherwise;
 * the sign bit of x is put back last, so tanh(-x) is -tanh(x) and tanh(-0) is -0.
 *
 * Max error 1.333 ulp.
 * |x| > 9.010913, +-inf -> +-1.  Subnormal x -> x.  NaN -> NaN.
 */
static inline float bpfree_tanh32(float x)
{
    const uint32_t sign = bpfree_bits32(x) & 0x80000000u;
    const float a = bpfree_float32(bpfree_bits32(x) ^ sign);
    const float z = a * a;
    const float large = 1.0f - 2.0f / (bpfree_exp32(a + a) + 1.0f);
    float p, small, y;
    p = -0x1.750ce4p-8f;
    p = p * z + 0x1.51f8cep-6f;
    p = p * z - 0x1.b835a4p-5f;
    p = p * z + 0x1.1106f6p-3f;
    p = p * z - 0x1.555532p-2f;
    small = a + a * (z * p);
    y = bpfree_select32(a < 0.625f, small, large); /* NaN takes large, which is NaN */
    return bpfree_float32(bpfree_bits32(y) | sign);
}

/*
 * sigmoid(x) = 1 / (1 + exp(-x)).
 *
 * Max error 2.481 ulp.
 * x > 16.63553, +inf -> 1.  x < -88.72283, -inf -> +0; the last results before that, from
 * x < -87.33654 on, are subnormal.  Subnormal x, +-0 -> 1/2.  NaN -> NaN.
 */
static inline float bpfree_sigmoid32(float x)
{
    return 1.0f / (1.0f + bpfree_exp32(-x));
}

/*
 * sin(a + quarter * pi/2) for a >= 0, what sin and cos share:
 * n = round(a / (pi/2)),  r = a - n pi/2  (Cody-Waite) as a sum hi + lo,  |r| <= 0.786,
 * sin(r) ~ hi + (lo (1 - z/2) + hi z p(z)),   z = hi^2,  p of degree 2,
 * cos(r) ~ 1 - z/2 + (z^2 q(z) - hi lo),      q of degree 2, error of 1 - z/2 recovered.
 *
 * a > 12867.964 counts as 12867.964, which is n = 8192, a full number of turns.
 * +inf, NaN -> NaN.
 */
static inline float bpfree_turned_sin32(float a, uint32_t quarter)
{
    const float top = 0x1.921fb6p+13f; /* 8192 pi/2 */
    const float magic = 0x1.8p+23f;    /* ulp 1: adding it rounds to an integer */
    /* At most 11 bits each, so n times these is exact; so are both differences in r. */
    const float half_pi_1 = 0x1.92p+0f;
    const float half_pi_2 = 0x1.fb4p-12f;
    const float half_pi_3 = 0x1.444p-24f;
    const float half_pi_4 = 0x1.68c234p-39f;
    const float c = bpfree_select32(a < top, a, top); /* NaN becomes top, too */
    const float t = c * 0x1.45f306p-1f + magic;
    const float n = t - magic;
    const float r = (c - n * half_pi_1) - n * half_pi_2;
    const float w = n * half_pi_3;
    const float hi = r - w;
    const float lo = ((r - hi) - w) - n * half_pi_4;
    const float z = hi * hi;
    const float h = 0.5f * z;
    const float one_h = 1.0f - h;
    const uint32_t turn = bpfree_bits32(t) + quarter; /* the low bits of t hold n */
    float p, q, y;
    p = -0x1.9951eap-13f;
    p = p * z + 0x1.110774p-7f;
    p = p * z - 0x1.555546p-3f;
    p = hi + (lo * one_h + (hi * z) * p);
    q = 0x1.99e80cp-16f;
    q = q * z - 0x1.6c0c28p-10f;
    q = q * z + 0x1.55554ap-5f;
    q = one_h + (((1.0f - one_h) - h) + ((z * z) * q - hi * lo));
    y = bpfree_select32((int)(turn & 1u), q, p);
    y = bpfree_float32(bpfree_bits32(y) ^ ((turn & 2u) << 30));
    return bpfree_select32(a < bpfree_float32(0x7f800000u), y, bpfree_float32(0x7fc00000u));
}

/*
 * sin(|x|), see above, with the sign of x put back last, so sin(-x) is -sin(x).
 *
 * Max error 0.794 ulp for |x| <= 12867.964, zeros of sin included.
 * |x| > 12867.964 -> as at the limit, 0.000358 with the sign of x.  +-inf, NaN -> NaN.
 * +-0, subnormal x -> x.
 */
static inline float bpfree_sin32(float x)
{
    const uint32_t sign = bpfree_bits32(x) & 0x80000000u;
    const float y = bpfree_turned_sin32(bpfree_float32(bpfree_bits32(x) ^ sign), 0u);
    return bpfree_float32(bpfree_bits32(y) ^ sign);
}

/*
 * cos(x) = sin(|x| + pi/2), see above.
 *
 * Max error 0.800 ulp for |x| <= 12867.964, zeros of cos included.
 * |x| > 12867.964 -> as at the limit, 1 - 2^-24.  +-inf, NaN -> NaN.
 * +-0, subnormal x -> 1.
 */
static inline float bpfree_cos32(float x)
{
    return bpfree_turned_sin32(bpfree_float32(bpfree_bits32(x) & 0x7fffffffu), 1u);
}

#endif /* BPFREE_MATH32_H */
