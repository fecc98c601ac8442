/* SPDX-License-Identifier: MIT */
/* Central differences by coordinates i < n_first = G: 2 G + 1 passes, or 4 G + 1
 * of order 4. Settings: {order, h, h1}, order 2 or 4; h is the step along
 * coordinates that are in a form, h1 that along others: first derivatives are
 * least wrong at smaller steps. Coordinates ascend; with
 *   odd(k)  = u(x + k h e_i) - u(x - k h e_i)
 *   even(k) = fl(u(x + k h e_i) - u) + fl(u(x - k h e_i) - u)
 * order 2 is u_i = odd(1) fl(1 / 2h), form = sum_i even(1) fl(1 / h^2), and order 4
 *   u_i = (8 odd(1) - odd(2)) fl(1 / 12h), form = (sum_i 16 even(1) - even(2)) fl(1 / 12h^2)
 * The value is u(x). */
#include "points.h"
#include "vector.h"

static int check(const bpfree_pde *pde)
{
  const float *settings = pde->settings;
  if (!settings || (settings[0] != 2.0f && settings[0] != 4.0f)) return BPFREE_ERR_ARG;
  if (!bpfree_points_step(settings[1]) || !bpfree_points_step(settings[2])) return BPFREE_ERR_ARG;
  return bpfree_points_check(pde->streams);
}

static int in_a_form(const bpfree_streams *streams, uint32_t i)
{
  for (uint32_t f = 0; f < streams->n_forms; f++)
    if (bpfree_points_holds(&streams->forms[f], i)) return 1;
  return 0;
}

static void jet(const bpfree_pde *pde, const float *theta, const float *x, uint32_t n, float *work, float *to)
{
  static const float odd[] = {1.0f, 0.0f, 8.0f, -1.0f}, even[] = {1.0f, 0.0f, 16.0f, -1.0f};
  const bpfree_streams *streams = pde->streams;
  const uint32_t order = pde->settings[0] == 2.0f ? 2 : 4, row = order - 2;
  bpfree_points points;
  bpfree_points_start(&points, pde, theta, x, n, work, to);
  const uint32_t width = points.width;
  float *first = to + width, *const forms = first + streams->n_first * width;
  for (uint32_t i = 0; i < streams->n_first; i++, first += width) {
    const float h = pde->settings[in_a_form(streams, i) ? 1 : 2];
    for (uint32_t ring = 0; ring < order / 2; ring++) {
      bpfree_points_pair(&points, i, ring ? h + h : h, i, 0.0f);
      bpfree_axpy(first, odd[row + ring], points.odd, width);
      for (uint32_t f = 0; f < streams->n_forms; f++)
        if (bpfree_points_holds(&streams->forms[f], i))
          bpfree_axpy(forms + f * width, even[row + ring], points.even, width);
    }
    bpfree_scale(first, 1.0f / ((order == 2 ? 2.0f : 12.0f) * h), first, width);
  }
  const float h = pde->settings[1];
  bpfree_scale(forms, 1.0f / ((order == 2 ? 1.0f : 12.0f) * (h * h)), forms, streams->n_forms * width);
}

const bpfree_rule bpfree_rule_differences = {check, bpfree_points_work, jet};
