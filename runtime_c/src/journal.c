/* SPDX-License-Identifier: MIT */
/* FORMAT.md has every byte; bpfree/journal/format.py does the same. */
#include <limits.h>
#include <stddef.h>
#include "bits.h"
#include "bpfree/journal.h"

#define VERSION 1u
#define HEAD 64u      /* of the header, up to the settings */
#define RECORD 16u    /* in front of a payload */
#define CRC_AT 12u    /* in a record */
#define MAX_SETTINGS 65536u
#define MAX_TEXT 4096u
#define MOST_FLOATS 0x40000000u

static const uint8_t magic[8] = {'B', 'P', 'F', 'J', '\r', '\n', 0x1a, '\n'};

/* -- Bytes, of any alignment, on machines of either order ------------------- */

static uint32_t get32(const uint8_t *p)
{
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static void get_floats(float *out, const uint8_t *p, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) out[k] = bpfree_float32(get32(p + 4 * (size_t)k));
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
  for (uint32_t k = 0; k < 4; k++) *p++ = (uint8_t)(value >> 8 * k);
  return p;
}

static uint8_t *put64(uint8_t *p, uint64_t value) { return put32(put32(p, (uint32_t)value), (uint32_t)(value >> 32)); }

static uint8_t *put_floats(uint8_t *p, const float *values, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) p = put32(p, bpfree_bits32(values[k]));
  return p;
}

static uint8_t *put_bytes(uint8_t *p, const uint8_t *values, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) *p++ = values[k];
  return p;
}

/* CRC-32 as in zip and Ethernet, going on from an earlier one; a table of 16
 * words is 64 bytes of flash and half as fast as one of 256. */
static uint32_t crc32(uint32_t crc, const uint8_t *p, uint64_t n)
{
  static const uint32_t table[16] = {
      0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
      0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
  };
  crc = ~crc;
  for (uint64_t k = 0; k < n; k++) {
    crc ^= p[k];
    crc = crc >> 4 ^ table[crc & 15u];
    crc = crc >> 4 ^ table[crc & 15u];
  }
  return ~crc;
}

uint64_t bpfree_fingerprint(const uint8_t *text, uint32_t n_text)
{
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint32_t k = 0; k < n_text; k++) hash = (hash ^ text[k]) * 0x100000001b3u;
  return hash;
}

/* -- Reading ---------------------------------------------------------------- */

/* Numbers that no journal has, whatever the trainer. */
static int possible(const bpfree_journal *j)
{
  if (j->n_text > MAX_SETTINGS || j->n_theta == 0) return 0;
  if (j->n_theta >= MOST_FLOATS || j->n_state >= MOST_FLOATS - j->n_theta) return 0;
  if (j->kind == BPFREE_SNAPSHOT) return j->n_record == 0;
  return j->kind == BPFREE_SCALARS && j->n_record > 0 && j->n_record < MOST_FLOATS;
}

int bpfree_journal_open(bpfree_journal *j, const uint8_t *bytes, uint64_t size)
{
  if (size < HEAD) return BPFREE_ERR_SIZE;
  for (uint32_t k = 0; k < sizeof magic; k++)
    if (bytes[k] != magic[k]) return BPFREE_ERR_FORMAT;
  if (get32(bytes + 8) != VERSION) return BPFREE_ERR_VERSION;
  const uint32_t n_text = get32(bytes + 60), stop = HEAD + n_text;
  if (n_text > MAX_SETTINGS) return BPFREE_ERR_FORMAT;
  if (size < stop + 4u) return BPFREE_ERR_SIZE;
  const uint32_t crc = crc32(0, bytes, stop);
  if (crc != get32(bytes + stop)) return BPFREE_ERR_CRC;
  const bpfree_journal read = {
      bytes,
      size,
      stop + 4u,
      get64(bytes + 16),
      get64(bytes + 24),
      get64(bytes + 32),
      get32(bytes + 56),
      bytes + HEAD,
      n_text,
      get32(bytes + 12),
      get32(bytes + 40),
      get32(bytes + 44),
      get32(bytes + 48),
      get32(bytes + 52),
      get32(bytes + 56),
      crc,
  };
  if (!possible(&read) || read.fingerprint != bpfree_fingerprint(read.text, n_text)) return BPFREE_ERR_FORMAT;
  *j = read;
  return BPFREE_OK;
}

/* Seeded with header and place: a record of another journal, or one that
 * moved, does not pass. */
static uint32_t check(const bpfree_journal *j, uint64_t at, const uint8_t *head, const uint8_t *payload,
                      uint32_t size)
{
  uint8_t place[8];
  put64(place, at);
  return crc32(crc32(crc32(j->crc, place, sizeof place), head, CRC_AT), payload, size);
}

static int fits(const bpfree_journal *j, uint32_t type, uint32_t size)
{
  if (type == BPFREE_EVENT) return size >= 4 && size <= 4 + MAX_TEXT;
  if (type == BPFREE_SCALARS) return j->kind == BPFREE_SCALARS && size == 4 * j->n_record;
  return type == BPFREE_SNAPSHOT && size == 4 * (j->n_theta + j->n_state);
}

/* Is there a good record at this byte? */
static int read_record(const bpfree_journal *j, uint64_t at, bpfree_journal_record *r)
{
  if (j->size - at < RECORD) return 0;
  const uint8_t *head = j->bytes + at;
  r->type = get32(head);
  r->step = get32(head + 4);
  r->size = get32(head + 8);
  r->payload = head + RECORD;
  if (!fits(j, r->type, r->size) || r->size > j->size - at - RECORD) return 0;
  return check(j, at, head, r->payload, r->size) == get32(head + CRC_AT);
}

/* Does a good record follow a bad one, or are there too many candidates to
 * tell? `left`, bytes to look at, bounds the time that hostile bytes can take. */
static int damaged(const bpfree_journal *j, uint64_t bad)
{
  uint64_t left = 4 * (j->size - bad) + MAX_SETTINGS;
  bpfree_journal_record r;
  for (uint64_t at = bad + 1; at < j->size && j->size - at >= CRC_AT; at++) {
    const uint32_t size = get32(j->bytes + at + 8);
    if (!fits(j, get32(j->bytes + at), size)) continue;
    if (size > left) return 1;
    left -= size;
    if (read_record(j, at, &r)) return 1;
  }
  return 0;
}

static int all_finite(const uint8_t *payload, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++)
    if ((get32(payload + 4 * (size_t)k) & 0x7f800000u) == 0x7f800000u) return 0;
  return 1;
}

int bpfree_journal_next(bpfree_journal *j, bpfree_journal_record *r)
{
  if (j->at == j->size) return 0;
  if (!read_record(j, j->at, r)) return damaged(j, j->at) ? BPFREE_ERR_CRC : 0;
  /* between snapshots lie steps without a record */
  if (r->step < j->step || (r->step > j->step && j->kind != BPFREE_SNAPSHOT)) return BPFREE_ERR_FORMAT;
  if (r->type == BPFREE_SCALARS && !all_finite(r->payload, j->n_record)) return BPFREE_ERR_FORMAT;
  if (r->type == BPFREE_SNAPSHOT && !all_finite(r->payload, j->n_theta)) return BPFREE_ERR_FORMAT;
  j->step = (uint64_t)r->step + (r->type == BPFREE_SCALARS);
  j->at += RECORD + (uint64_t)r->size;
  return 1;
}

/* -- Replaying -------------------------------------------------------------- */

static uint64_t model_hash(const bpfree_trainer *t) { return t->model->hash[0] | (uint64_t)t->model->hash[1] << 32; }

static uint32_t record_floats(const bpfree_trainer *t, uint32_t kind)
{
  return kind == BPFREE_SCALARS ? bpfree_record_size(t) : 0;
}

static int belongs(const bpfree_journal *j, const bpfree_trainer *t, const bpfree_context *c, uint64_t fingerprint)
{
  return j->model == model_hash(t) && j->fingerprint == fingerprint && j->seed == t->seed &&
         j->n_theta == t->model->n_theta && j->n_record == record_floats(t, j->kind) &&
         j->n_state == bpfree_state_size(t) && j->base == bpfree_hash(c->theta, j->n_theta);
}

/* Reads to the end. *at_stop: the last snapshot up to to_step, its payload
 * NULL if there is none; *at_start: is there one at the first step? */
static int verify(bpfree_journal *j, uint32_t to_step, bpfree_journal_record *at_stop, int *at_start)
{
  bpfree_journal_record r;
  at_stop->payload = NULL;
  *at_start = 0;
  int status;
  while ((status = bpfree_journal_next(j, &r)) > 0) {
    if (r.type != BPFREE_SNAPSHOT || r.step > to_step) continue;
    *at_stop = r;
    if (r.step == j->first_step) *at_start = 1;
  }
  return status;
}

static void take_snapshot(const bpfree_journal *j, bpfree_context *c, const bpfree_journal_record *r)
{
  get_floats(c->theta, r->payload, j->n_theta);
  get_floats(c->state, r->payload + 4 * (size_t)j->n_theta, j->n_state);
  c->step = r->step;
}

static int equal(const float *values, const uint8_t *payload, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++)
    if (bpfree_bits32(values[k]) != get32(payload + 4 * (size_t)k)) return 0;
  return 1;
}

/* A snapshot must be what the scalars before it led to; at the start, the
 * state is what it says. */
static int meet(const bpfree_journal *j, bpfree_context *c, const bpfree_journal_record *r)
{
  if (!equal(c->theta, r->payload, j->n_theta)) return BPFREE_ERR_FORMAT;
  if (r->step != j->first_step && !equal(c->state, r->payload + 4 * (size_t)j->n_theta, j->n_state))
    return BPFREE_ERR_FORMAT;
  take_snapshot(j, c, r);
  return BPFREE_OK;
}

static int through_scalars(bpfree_journal *j, const bpfree_trainer *t, bpfree_context *c, uint64_t stop)
{
  bpfree_journal_record r;
  while (bpfree_journal_next(j, &r) > 0 && r.step <= stop) {
    int status = BPFREE_OK;
    if (r.type == BPFREE_SNAPSHOT) status = meet(j, c, &r);
    if (r.type == BPFREE_SCALARS && r.step < stop) {
      get_floats(c->coefficients, r.payload, j->n_record);
      status = bpfree_apply(t, c, c->coefficients);
    }
    if (status) return status;
  }
  return BPFREE_OK;
}

int bpfree_journal_replay(bpfree_journal *j, const bpfree_trainer *t, bpfree_context *c, uint64_t fingerprint,
                          const uint8_t *bytes, uint64_t size, uint32_t to_step)
{
  int status = bpfree_journal_open(j, bytes, size);
  if (status) return status;
  if (!belongs(j, t, c, fingerprint)) return BPFREE_ERR_MODEL;
  bpfree_journal again = *j;
  bpfree_journal_record at_stop;
  int at_start;
  status = verify(j, to_step, &at_stop, &at_start);
  if (status) return status;
  const int all = to_step == 0xffffffffu;
  const int state_unknown = j->first_step && j->n_state;
  if (j->kind == BPFREE_SNAPSHOT) {
    const uint32_t reached = at_stop.payload ? at_stop.step : j->first_step;
    if (!all && reached != to_step) return BPFREE_ERR_ARG;
    if (!at_stop.payload && state_unknown) return BPFREE_ERR_FORMAT;
    c->step = reached;
    if (at_stop.payload) take_snapshot(j, c, &at_stop);
    return BPFREE_OK;
  }
  if (!all && (to_step < j->first_step || to_step > j->step)) return BPFREE_ERR_ARG;
  if (state_unknown && !at_start) return BPFREE_ERR_FORMAT;
  c->step = j->first_step;
  return through_scalars(&again, t, c, all ? j->step : to_step);
}

/* -- Writing ---------------------------------------------------------------- */

int bpfree_journal_begin(bpfree_journal *j, const bpfree_trainer *t, const bpfree_context *c, uint32_t kind,
                         const uint8_t *text, uint32_t n_text, uint8_t *out, uint32_t room)
{
  bpfree_journal made = {NULL,    0,    0,      model_hash(t), bpfree_hash(c->theta, t->model->n_theta),
                         0,       c->step, text, n_text,        kind,
                         t->seed, t->model->n_theta, record_floats(t, kind), bpfree_state_size(t), c->step, 0};
  if (!possible(&made)) return BPFREE_ERR_ARG;
  if (room < HEAD + n_text + 4) return BPFREE_ERR_SIZE;
  made.fingerprint = bpfree_fingerprint(text, n_text);
  const uint32_t words[6] = {made.seed, made.n_theta, made.n_record, made.n_state, made.first_step, n_text};
  uint8_t *p = put32(put32(put_bytes(out, magic, sizeof magic), VERSION), kind);
  p = put64(put64(put64(p, made.model), made.base), made.fingerprint);
  for (uint32_t k = 0; k < 6; k++) p = put32(p, words[k]);
  p = put_bytes(p, text, n_text);
  made.crc = crc32(0, out, HEAD + n_text);
  put32(p, made.crc);
  made.at = HEAD + n_text + 4;
  *j = made;
  return (int)made.at;
}

/* Begins a record of this many bytes of payload; NULL where there is no room for it. */
static uint8_t *start_record(uint8_t *out, uint32_t room, uint32_t type, uint32_t step, uint32_t size)
{
  if (room < RECORD || size > room - RECORD || size > (uint32_t)INT_MAX - RECORD) return NULL;
  return put32(put32(put32(out, type), step), size) + 4;
}

/* Returns its bytes. */
static int finish_record(bpfree_journal *j, uint8_t *out)
{
  const uint32_t size = get32(out + 8);
  put32(out + CRC_AT, check(j, j->at, out, out + RECORD, size));
  j->step = (uint64_t)get32(out + 4) + (get32(out) == BPFREE_SCALARS);
  j->at += RECORD + (uint64_t)size;
  return (int)(RECORD + size);
}

int bpfree_journal_scalars(bpfree_journal *j, const bpfree_context *c, uint8_t *out, uint32_t room)
{
  const uint32_t made = c->step - 1u; /* step 2^32 - 1 leaves context->step at 0 */
  if (j->kind != BPFREE_SCALARS || made != j->step) return BPFREE_ERR_ARG;
  uint8_t *p = start_record(out, room, BPFREE_SCALARS, made, 4 * j->n_record);
  if (!p) return BPFREE_ERR_SIZE;
  put_floats(p, c->coefficients, j->n_record);
  return finish_record(j, out);
}

/* May something that happened before context->step come next? */
static int follows(const bpfree_journal *j, const bpfree_context *c)
{
  return c->step == j->step || (c->step > j->step && j->kind == BPFREE_SNAPSHOT);
}

int bpfree_journal_snapshot(bpfree_journal *j, const bpfree_context *c, uint8_t *out, uint32_t room)
{
  if (!follows(j, c)) return BPFREE_ERR_ARG;
  uint8_t *p = start_record(out, room, BPFREE_SNAPSHOT, c->step, 4 * (j->n_theta + j->n_state));
  if (!p) return BPFREE_ERR_SIZE;
  put_floats(put_floats(p, c->theta, j->n_theta), c->state, j->n_state);
  return finish_record(j, out);
}

int bpfree_journal_event(bpfree_journal *j, const bpfree_context *c, uint32_t code, const uint8_t *text,
                         uint32_t n_text, uint8_t *out, uint32_t room)
{
  if (!follows(j, c) || n_text > MAX_TEXT) return BPFREE_ERR_ARG;
  uint8_t *p = start_record(out, room, BPFREE_EVENT, c->step, 4 + n_text);
  if (!p) return BPFREE_ERR_SIZE;
  put_bytes(put32(p, code), text, n_text);
  return finish_record(j, out);
}
