/* SPDX-License-Identifier: MIT */
/* Writes journals, and nothing that their readers refuse. */
#include <limits.h>
#include "journal_bytes.h"

static uint8_t *put64(uint8_t *p, uint64_t value) { return put32(put32(p, (uint32_t)value), (uint32_t)(value >> 32)); }

static uint8_t *put_floats(uint8_t *p, const float *values, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) p = put32(p, bpfree_bits32(values[k]));
  return p;
}

static uint8_t *put_zeros(uint8_t *p, uint32_t n)
{
  while (n--) *p++ = 0;
  return p;
}

int bpfree_journal_begin(bpfree_journal *j, const bpfree_trainer *t, const bpfree_context *c, uint32_t kind,
                         uint32_t program, const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room)
{
  bpfree_journal made = {
      .model = t->model->hash[0] | (uint64_t)t->model->hash[1] << 32,
      .base = bpfree_hash(c->theta, t->model->n_theta),
      .step = c->step,
      .text = text,
      .n_text = n_text,
      .kind = kind,
      .seed = t->seed,
      .n_theta = t->model->n_theta,
      .n_record = kind == BPFREE_SCALARS ? bpfree_record_size(t) : 0,
      .n_state = bpfree_state_size(t),
      .first_step = c->step,
      .program = program,
  };
  if (!bpfree_journal_possible(&made)) return BPFREE_ERR_ARG;
  made.fingerprint = bpfree_fingerprint(text, n_text);
  const uint32_t zeros = header_zeros(&made), stop = HEAD + n_text + zeros;
  if (room < stop + 4) return BPFREE_ERR_SIZE;
  const uint32_t words[7] = {made.seed, made.n_theta, made.n_record, made.n_state, made.first_step, program, n_text};
  uint8_t *p = put32(put32(put_bytes(out, magic, sizeof magic), VERSION), kind);
  p = put64(put64(put64(p, made.model), made.base), made.fingerprint);
  for (uint32_t k = 0; k < 7; k++) p = put32(p, words[k]);
  p = put_zeros(put_bytes(p, text, n_text), zeros);
  made.crc = bpfree_crc32(0, out, stop);
  put32(p, made.crc);
  made.at = stop + 4;
  *j = made;
  return (int)made.at;
}

uint8_t *bpfree_record_start(const bpfree_journal *j, uint8_t *out, uint32_t room, uint32_t type, uint32_t step,
                             uint32_t size)
{
  const uint64_t whole = filled(j, RECORD + (uint64_t)size);
  if (whole > room || whole > INT_MAX) return NULL;
  return put32(put32(put32(out, type), step), size) + 4;
}

int bpfree_record_finish(bpfree_journal *j, uint8_t *out)
{
  const uint32_t type = get32(out), size = get32(out + 8);
  const uint32_t whole = (uint32_t)filled(j, RECORD + (uint64_t)size);
  put_zeros(out + RECORD + size, whole - RECORD - size);
  put32(out + CRC_AT, bpfree_record_check(j, j->at, out, out + RECORD, whole - RECORD));
  if (j->seal) j->seal->take(j->seal, out, whole);
  j->step = (uint64_t)get32(out + 4) + (type == BPFREE_SCALARS || type == BPFREE_SKIP);
  j->at += whole;
  return (int)whole;
}

int bpfree_journal_scalars(bpfree_journal *j, const bpfree_context *c, uint8_t *out, uint32_t room)
{
  const uint32_t made = c->step - 1u; /* step 2^32 - 1 leaves context->step at 0 */
  if (j->kind != BPFREE_SCALARS || made != j->step) return BPFREE_ERR_ARG;
  uint8_t *p = bpfree_record_start(j, out, room, BPFREE_SCALARS, made, 4 * j->n_record);
  if (!p) return BPFREE_ERR_SIZE;
  put_floats(p, c->coefficients, j->n_record);
  return bpfree_payload_finite(p, j->n_record) ? bpfree_record_finish(j, out) : BPFREE_ERR_NUMERIC;
}

int bpfree_journal_follows(const bpfree_journal *j, const bpfree_context *c)
{
  return c->step == j->step || (c->step > j->step && j->kind == BPFREE_SNAPSHOT);
}

int bpfree_journal_snapshot(bpfree_journal *j, const bpfree_context *c, uint8_t *out, uint32_t room)
{
  if (!bpfree_journal_follows(j, c)) return BPFREE_ERR_ARG;
  uint8_t *p = bpfree_record_start(j, out, room, BPFREE_SNAPSHOT, c->step, 4 * (j->n_theta + j->n_state));
  if (!p) return BPFREE_ERR_SIZE;
  put_floats(put_floats(p, c->theta, j->n_theta), c->state, j->n_state);
  return bpfree_payload_finite(p, j->n_theta) ? bpfree_record_finish(j, out) : BPFREE_ERR_NUMERIC;
}

/* A code and text, what EVENT and SKIP are made of. */
static int tell(bpfree_journal *j, uint32_t type, uint32_t step, uint32_t code, const uint8_t *text, uint32_t n_text,
                uint8_t *out, uint32_t room)
{
  if (n_text > MAX_TEXT) return BPFREE_ERR_ARG;
  uint8_t *p = bpfree_record_start(j, out, room, type, step, 4 + n_text);
  if (!p) return BPFREE_ERR_SIZE;
  put_bytes(put32(p, code), text, n_text);
  return bpfree_record_finish(j, out);
}

int bpfree_journal_event(bpfree_journal *j, const bpfree_context *c, uint32_t code, const uint8_t *text,
                         uint32_t n_text, uint8_t *out, uint32_t room)
{
  if (!bpfree_journal_follows(j, c)) return BPFREE_ERR_ARG;
  return tell(j, BPFREE_EVENT, c->step, code, text, n_text, out, room);
}

int bpfree_journal_skip(bpfree_journal *j, const bpfree_context *c, uint32_t reason, const uint8_t *text,
                        uint32_t n_text, uint8_t *out, uint32_t room)
{
  const uint32_t made = c->step - 1u;
  if (made != j->step && (made < j->step || j->kind != BPFREE_SNAPSHOT)) return BPFREE_ERR_ARG;
  return tell(j, BPFREE_SKIP, made, reason, text, n_text, out, room);
}
