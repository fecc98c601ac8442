/* SPDX-License-Identifier: MIT */
/* Reads and replays journals; FORMAT.md has every byte, bpfree/journal/format.py
 * does the same. */
#include "journal_bytes.h"

/* A table of 16 words is 64 bytes of flash and half as fast as one of 256. */
uint32_t bpfree_crc32(uint32_t crc, const uint8_t *p, uint64_t n)
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

static int all_zero(const uint8_t *p, uint32_t n)
{
  uint32_t others = 0;
  for (uint32_t k = 0; k < n; k++) others |= p[k];
  return others == 0;
}

int bpfree_journal_possible(const bpfree_journal *j)
{
  if (j->program != 1 && j->program != 8 && j->program != 16 && j->program != 32) return 0;
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
  bpfree_journal read = {
      .bytes = bytes,
      .size = size,
      .model = get64(bytes + 16),
      .base = get64(bytes + 24),
      .fingerprint = get64(bytes + 32),
      .step = get32(bytes + 56),
      .text = bytes + HEAD,
      .n_text = get32(bytes + 64),
      .kind = get32(bytes + 12),
      .seed = get32(bytes + 40),
      .n_theta = get32(bytes + 44),
      .n_record = get32(bytes + 48),
      .n_state = get32(bytes + 52),
      .first_step = get32(bytes + 56),
      .program = get32(bytes + 60),
  };
  if (!bpfree_journal_possible(&read)) return BPFREE_ERR_FORMAT;
  const uint32_t zeros = header_zeros(&read), stop = HEAD + read.n_text + zeros;
  if (size < stop + 4u) return BPFREE_ERR_SIZE;
  read.crc = bpfree_crc32(0, bytes, stop);
  read.at = stop + 4u;
  if (read.crc != get32(bytes + stop)) return BPFREE_ERR_CRC;
  if (!all_zero(bytes + stop - zeros, zeros)) return BPFREE_ERR_FORMAT;
  if (read.fingerprint != bpfree_fingerprint(read.text, read.n_text)) return BPFREE_ERR_FORMAT;
  *j = read;
  return BPFREE_OK;
}

/* Seeded with header and place: a record of another journal, or one that
 * moved, does not pass. */
uint32_t bpfree_record_check(const bpfree_journal *j, uint64_t at, const uint8_t *head, const uint8_t *rest, uint64_t n)
{
  uint8_t place[8];
  put32(put32(place, (uint32_t)at), (uint32_t)(at >> 32));
  return bpfree_crc32(bpfree_crc32(bpfree_crc32(j->crc, place, sizeof place), head, CRC_AT), rest, n);
}

int bpfree_record_fits(const bpfree_journal *j, uint32_t type, uint64_t size)
{
  if (type == BPFREE_EVENT || type == BPFREE_SKIP) return size >= 4 && size <= 4 + MAX_TEXT;
  if (type == BPFREE_SEAL) return size == DIGEST;
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
  const uint64_t rest = filled(j, RECORD + (uint64_t)r->size) - RECORD;
  if (!bpfree_record_fits(j, r->type, r->size) || rest > j->size - at - RECORD) return 0;
  if (!all_zero(r->payload + r->size, (uint32_t)(rest - r->size))) return 0;
  return bpfree_record_check(j, at, head, r->payload, rest) == get32(head + CRC_AT);
}

/* Does a good record follow a bad one, or are there too many candidates to
 * tell? `left`, bytes to look at, bounds the time that hostile bytes can take. */
static int damaged(const bpfree_journal *j, uint64_t bad)
{
  uint64_t left = 4 * (j->size - bad) + MAX_SETTINGS;
  bpfree_journal_record r;
  for (uint64_t at = filled(j, bad + 1); at < j->size && j->size - at >= CRC_AT; at += j->program) {
    const uint32_t size = get32(j->bytes + at + 8);
    if (!bpfree_record_fits(j, get32(j->bytes + at), size)) continue;
    if (size > left) return 1;
    left -= size;
    if (read_record(j, at, &r)) return 1;
  }
  return 0;
}

int bpfree_payload_finite(const uint8_t *payload, uint32_t n)
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
  if (r->type == BPFREE_SCALARS && !bpfree_payload_finite(r->payload, j->n_record)) return BPFREE_ERR_FORMAT;
  if (r->type == BPFREE_SNAPSHOT && !bpfree_payload_finite(r->payload, j->n_theta)) return BPFREE_ERR_FORMAT;
  if (r->type == BPFREE_SEAL && j->seal && !j->seal->fits(j->seal, r->payload)) return BPFREE_ERR_FORMAT;
  const uint64_t size = filled(j, RECORD + (uint64_t)r->size);
  if (j->seal) j->seal->take(j->seal, j->bytes + j->at, size);
  j->step = (uint64_t)r->step + (r->type == BPFREE_SCALARS || r->type == BPFREE_SKIP);
  j->at += size;
  return 1;
}

/* -- Replaying -------------------------------------------------------------- */

static void get_floats(float *out, const uint8_t *p, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) out[k] = bpfree_float32(get32(p + 4 * (size_t)k));
}

static int belongs(const bpfree_journal *j, const bpfree_trainer *t, const bpfree_context *c, uint64_t fingerprint)
{
  const uint64_t model = t->model->hash[0] | (uint64_t)t->model->hash[1] << 32;
  const uint32_t n_record = j->kind == BPFREE_SCALARS ? bpfree_record_size(t) : 0;
  return j->model == model && j->fingerprint == fingerprint && j->seed == t->seed &&
         j->n_theta == t->model->n_theta && j->n_record == n_record &&
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
  c->small_at = ~c->step; /* nobody has looked at these numbers */
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
    if (r.type == BPFREE_SKIP && r.step < stop) status = bpfree_skip(t, c);
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
