/* SPDX-License-Identifier: MIT */
/* Central differences: 2 D + 1 passes, or 4 D + 1 of order 4, D = n_first.
 * Settings: {order, h}, order 2 or 4. Coordinates i ascend; with
 * odd(k) = u(x + k h e_i) - u(x - k h e_i) and even(k) = fl(u(x + k h e_i) - u) + fl(u(x - k h e_i) - u)
 *   order 2: u_i = odd(1) fl(1 / 2h),               form = sum_i even(1) fl(1 / h^2)
 *   order 4: u_i = (8 odd(1) - odd(2)) fl(1 / 12h), form = sum_i (16 even(1) - even(2)) fl(1 / 12h^2)
 * The value is u(x). */
#include "points.h"
#include "vector.h"

static int check(const bpfree_pde *pde)
{
  const float *settings = pde->settings;
  if (!settings || (settings[0] != 2.0f && settings[0] != 4.0f)) return BPFREE_ERR_ARG;
  /* its square is divided by */
  if (!(settings[1] > 0x1p-60f && settings[1] < 0x1p+60f)) return BPFREE_ERR_ARG;
  return bpfree_points_check(pde->streams);
}

static void jet(const bpfree_pde *pde, const float *theta, const float *x, uint32_t n, float *work, float *to)
{
  static const float odd[] = {8.0f, -1.0f}, even[] = {16.0f, -1.0f}; /* of order 4 */
  const bpfree_streams *streams = pde->streams;
  const float h = pde->settings[1], part = pde->settings[0] == 2.0f ? 1.0f : 12.0f;
  const uint32_t rings = part == 1.0f ? 1 : 2;
  bpfree_points points;
  bpfree_points_start(&points, pde, theta, x, n, work, to);
  float *const first = to + points.width, *const forms = first + streams->n_first * points.width;
  for (uint32_t i = 0; i < streams->n_first; i++)
    for (uint32_t ring = 0; ring < rings; ring++) {
      bpfree_points_pair(&points, i, ring ? h + h : h, i, 0.0f);
      bpfree_axpy(first + i * points.width, rings == 1 ? 1.0f : odd[ring], points.odd, points.width);
      for (uint32_t f = 0; f < streams->n_forms; f++)
        if (i - streams->forms[f].first < streams->forms[f].count)
          bpfree_axpy(forms + f * points.width, rings == 1 ? 1.0f : even[ring], points.even, points.width);
    }
  const uint32_t n_first = streams->n_first * points.width, n_forms = streams->n_forms * points.width;
  bpfree_scale(first, 1.0f / ((part == 1.0f ? 2.0f : part) * h), first, n_first);
  bpfree_scale(forms, 1.0f / (part * (h * h)), forms, n_forms);
}

const bpfree_rule bpfree_rule_differences = {check, bpfree_points_work, jet};
