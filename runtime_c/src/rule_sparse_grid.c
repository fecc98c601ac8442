/* SPDX-License-Identifier: MIT */
/* Stein's identities on a sparse grid of level 3 in all D coordinates.
 * Settings: {family, sigma, smoothed}: family 0, Gauss-Hermite, 2 D^2 + 2 D + 1
 * passes; 1, Genz-Keister, 2 D^2 + 1. smoothed 0: the value is u(x); 1: that of
 * the grid, E u(x + sigma z). Derivatives are those of the latter in both cases.
 *
 * No table: nodes d = sigma rho (e_i or e_i +- e_j) are made in this order, each
 * with -d, and weigh w:
 *                 Gauss-Hermite              Genz-Keister
 *   i ascending   rho 1        -(D - 1) / 2  -
 *                 rho sqrt(3)  1 / 6         (4 - D) / 18
 *   i < j         rho 1        1 / 4         rho sqrt(3)   1 / 36
 *                 e_i + e_j, then e_i - e_j
 * The centre weighs what is missing to 1. With odd and even as in points.h, m
 * coordinates in a form and k of them in a node,
 *   u_i  += fl(w rho) odd (minus for -e_j),   in the end times fl(1 / sigma)
 *   form += fl(w (rho^2 k - m)) even,         in the end times fl(1 / sigma^2)
 *   value += w even. */
#include "points.h"
#include "vector.h"

#define SQRT_3 0x1.bb67aep+0f

static int check(const bpfree_pde *pde)
{
  const float *settings = pde->settings;
  if (!settings || (settings[0] != 0.0f && settings[0] != 1.0f)) return BPFREE_ERR_ARG;
  if (settings[2] != 0.0f && settings[2] != 1.0f) return BPFREE_ERR_ARG;
  if (!bpfree_points_step(settings[1])) return BPFREE_ERR_ARG;
  return bpfree_points_check(pde->streams);
}

typedef struct grid {
  bpfree_points points;
  const bpfree_pde *pde;
  float *jet;
} grid;

/* One node and its opposite: sigma rho (e_i + sign e_j), or sigma rho e_i where i = j. */
static void node(grid *g, uint32_t i, uint32_t j, float sign, float square, float weight)
{
  const bpfree_streams *streams = g->pde->streams;
  const uint32_t width = g->points.width;
  const float rho = square == 3.0f ? SQRT_3 : 1.0f, step = g->pde->settings[1] * rho;
  bpfree_points_pair(&g->points, i, step, j, sign * step);
  float *row = g->jet + width;
  if (i < streams->n_first) bpfree_axpy(row + i * width, weight * rho, g->points.odd, width);
  if (j != i && j < streams->n_first) bpfree_axpy(row + j * width, sign * (weight * rho), g->points.odd, width);
  row += streams->n_first * width;
  for (uint32_t f = 0; f < streams->n_forms; f++, row += width) {
    const bpfree_form *form = &streams->forms[f];
    const int inside = bpfree_points_holds(form, i) + (j != i && bpfree_points_holds(form, j));
    bpfree_axpy(row, weight * (square * (float)inside - (float)form->count), g->points.even, width);
  }
  if (g->pde->settings[2] != 0.0f) bpfree_axpy(g->jet, weight, g->points.even, width);
}

static void jet(const bpfree_pde *pde, const float *theta, const float *x, uint32_t n, float *work, float *to)
{
  const bpfree_streams *streams = pde->streams;
  const uint32_t d = pde->model->tensors[pde->model->input].size;
  const int hermite = pde->settings[0] == 0.0f;
  const float sigma = pde->settings[1];
  grid g;
  g.pde = pde;
  g.jet = to;
  bpfree_points_start(&g.points, pde, theta, x, n, work, to);
  for (uint32_t i = 0; i < d; i++) {
    if (hermite) node(&g, i, i, 0.0f, 1.0f, ((float)d - 1.0f) * -0.5f);
    node(&g, i, i, 0.0f, 3.0f, hermite ? 1.0f / 6.0f : (4.0f - (float)d) / 18.0f);
  }
  for (uint32_t i = 0; i + 1 < d; i++)
    for (uint32_t j = i + 1; j < d; j++) {
      node(&g, i, j, 1.0f, hermite ? 1.0f : 3.0f, hermite ? 0.25f : 1.0f / 36.0f);
      node(&g, i, j, -1.0f, hermite ? 1.0f : 3.0f, hermite ? 0.25f : 1.0f / 36.0f);
    }
  float *const first = to + g.points.width, *const forms = first + streams->n_first * g.points.width;
  bpfree_scale(first, 1.0f / sigma, first, streams->n_first * g.points.width);
  bpfree_scale(forms, 1.0f / (sigma * sigma), forms, streams->n_forms * g.points.width);
}

const bpfree_rule bpfree_rule_sparse_grid = {check, bpfree_points_work, jet};
