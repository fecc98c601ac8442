/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include "points.h"

int bpfree_points_check(const bpfree_streams *streams)
{
  if (streams->directions) return BPFREE_ERR_ARG;
  for (uint32_t f = 0; f < streams->n_forms; f++)
    if (streams->forms[f].terms) return BPFREE_ERR_ARG;
  return BPFREE_OK;
}

/* Floats of n numbers for each of `rows`, aligned behind. */
static uint64_t rows_of(uint32_t rows, uint32_t n)
{
  const uint64_t unit = BPFREE_ALIGN / sizeof(float);
  return ((uint64_t)rows * n + unit - 1) / unit * unit;
}

uint64_t bpfree_points_work(const bpfree_pde *pde, uint32_t n)
{
  const bpfree_model *model = pde->model;
  const uint64_t outputs = rows_of(model->tensors[model->output].size, n);
  return rows_of(model->tensors[model->input].size, n) + 3 * outputs + (uint64_t)model->arena_sample * n +
         model->arena_fixed;
}

void bpfree_points_start(bpfree_points *points, const bpfree_pde *pde, const float *theta, const float *x, uint32_t n,
                         float *work, float *jet)
{
  const bpfree_model *model = pde->model;
  const uint32_t outputs = model->tensors[model->output].size, features = model->tensors[model->input].size;
  points->x = x;
  points->width = outputs * n;
  points->shifted = work;
  points->centre = points->shifted + rows_of(features, n);
  points->odd = points->centre + rows_of(outputs, n);
  points->even = points->odd + rows_of(outputs, n);
  const bpfree_pass pass = {model, theta, NULL, points->shifted, points->even + rows_of(outputs, n), n, 1};
  points->pass = pass;
  for (uint32_t i = 0; i < features * n; i++) points->shifted[i] = x[i];
  bpfree_forward(&points->pass);
  const float *u = bpfree_output(&points->pass, 0);
  const uint32_t streams = points->width * (pde->streams->n_first + pde->streams->n_forms);
  for (uint32_t k = 0; k < points->width; k++) *jet++ = points->centre[k] = u[k];
  for (uint32_t k = 0; k < streams; k++) jet[k] = 0.0f;
}

/* Coordinate i of every point is x_i + step. */
static void move(bpfree_points *points, uint32_t i, float step)
{
  const uint32_t n = points->pass.n;
  for (uint32_t s = i * n; s < (i + 1) * n; s++) points->shifted[s] = points->x[s] + step;
}

static void put_back(bpfree_points *points, uint32_t i)
{
  const uint32_t n = points->pass.n;
  for (uint32_t s = i * n; s < (i + 1) * n; s++) points->shifted[s] = points->x[s];
}

void bpfree_points_pair(bpfree_points *points, uint32_t i, float a, uint32_t j, float b)
{
  const float *const u = bpfree_output(&points->pass, 0), *const centre = points->centre;
  if (j != i) move(points, j, b);
  move(points, i, a);
  bpfree_forward(&points->pass);
  for (uint32_t k = 0; k < points->width; k++) points->odd[k] = u[k];
  if (j != i) move(points, j, -b);
  move(points, i, -a);
  bpfree_forward(&points->pass);
  for (uint32_t k = 0; k < points->width; k++) {
    const float plus = points->odd[k];
    points->odd[k] = plus - u[k];
    points->even[k] = (plus - centre[k]) + (u[k] - centre[k]);
  }
  put_back(points, i);
  put_back(points, j);
}
