/* SPDX-License-Identifier: MIT */
/* A journal gives back the run it was written by, bit for bit; C writes the
 * bytes that Python writes; what contradicts itself or another run is refused. */
#define _POSIX_C_SOURCE 200112L
#include "journal_run.h"
#include "journal_bytes.h"

static void replays(const golden_journal *g)
{
  const uint32_t stops[] = {GOLDEN_JOURNAL_MIDDLE, GOLDEN_JOURNAL_STEPS, ALL};
  for (uint32_t k = 0; k < COUNT(stops); k++) {
    run r;
    start(&r, g);
    r.trainer.sample = NULL;
    bpfree_journal j;
    uint8_t *odd = copy_of(g->bytes, g->size); /* of any alignment */
    uint8_t *shifted = realloc(odd, g->size + 1u);
    if (!shifted) abort();
    memmove(shifted + 1, shifted, g->size);
    CHECK_EQUAL(bpfree_journal_replay(&j, &r.trainer, &r.context, fingerprint_of(g), shifted + 1, g->size, stops[k]),
                BPFREE_OK);
    CHECK_EQUAL(theta_of(&r), g->hash[k > 0]);
    CHECK_EQUAL(r.context.step, k ? GOLDEN_JOURNAL_STEPS : GOLDEN_JOURNAL_MIDDLE);
    CHECK(j.at == g->size && j.step == GOLDEN_JOURNAL_STEPS);
    free(shifted);
    end(&r);
  }
}

/* One record more: the step it is of is made, and what the golden journal has is written. */
static int write_one(bpfree_journal *j, run *r, const bpfree_journal_record *record, uint8_t *to, uint32_t room)
{
  const uint8_t *text = record->payload + 4;
  switch (record->type) {
  case BPFREE_SCALARS: return bpfree_journal_scalars(j, &r->context, to, room);
  case BPFREE_SNAPSHOT: return bpfree_journal_snapshot(j, &r->context, to, room);
  case BPFREE_EVENT: return bpfree_journal_event(j, &r->context, BPFREE_EVENT_END, text, record->size - 4, to, room);
  case BPFREE_SKIP: return bpfree_journal_skip(j, &r->context, BPFREE_SKIP_SAMPLE, text, record->size - 4, to, room);
  default: return bpfree_journal_seal(j, &r->context, to, room);
  }
}

/* Follows a golden journal with a run of its own, writing: the same bytes. */
static void writes(const golden_journal *g)
{
  run r;
  start(&r, g);
  bpfree_journal read, j;
  bpfree_seal seal;
  bpfree_journal_record record;
  uint8_t *out = copy_of(g->bytes, g->size);
  memset(out, 0xee, g->size);
  CHECK_EQUAL(bpfree_journal_open(&read, g->bytes, g->size), BPFREE_OK);
  for (uint32_t less = 0; less < read.at; less += 5)
    CHECK_EQUAL(bpfree_journal_begin(&j, &r.trainer, &r.context, BPFREE_SCALARS, read.program, read.text, read.n_text,
                                     out, less),
                BPFREE_ERR_SIZE);
  int n = bpfree_journal_begin(&j, &r.trainer, &r.context, BPFREE_SCALARS, read.program, read.text, read.n_text, out,
                               g->size);
  CHECK_EQUAL(bpfree_journal_seal(&j, &r.context, out + n, g->size - (uint32_t)n), BPFREE_ERR_ARG); /* not begun */
  bpfree_seal_begin(&seal, &j, out);
  uint32_t size = n > 0 ? (uint32_t)n : 0;
  for (uint64_t before = read.at; bpfree_journal_next(&read, &record) == 1; before = read.at) {
    CHECK_EQUAL(j.at, size);
    uint8_t *to = out + size;
    const uint32_t room = (uint32_t)(read.at - before); /* just enough */
    if (record.type == BPFREE_SCALARS || record.type == BPFREE_SKIP) {
      CHECK_EQUAL(write_one(&j, &r, &record, to, room), BPFREE_ERR_ARG); /* before the step */
      CHECK_EQUAL(record.type == BPFREE_SKIP ? bpfree_skip(&r.trainer, &r.context) : bpfree_step(&r.trainer, &r.context),
                  BPFREE_OK);
    }
    for (uint32_t less = room > 40 ? room - 40 : 0; less < room; less++)
      CHECK_EQUAL(write_one(&j, &r, &record, to, less), BPFREE_ERR_SIZE);
    n = write_one(&j, &r, &record, to, room);
    CHECK_EQUAL(n, room);
    size += room;
  }
  CHECK_EQUAL(size, g->size);
  CHECK_EQUAL(memcmp(out, g->bytes, g->size), 0);
  CHECK_EQUAL(theta_of(&r), g->hash[1]);
  free(out);
  end(&r);
}

/* A small tail, written by hand behind the golden bytes. */
typedef struct tail {
  run r;
  bpfree_journal j;
  uint8_t bytes[8192];
  uint32_t size;
} tail;

static void tail_start(tail *t, const golden_journal *g)
{
  start(&t->r, g);
  memcpy(t->bytes, g->bytes, g->size);
  t->size = g->size;
  CHECK_EQUAL(bpfree_journal_replay(&t->j, &t->r.trainer, &t->r.context, fingerprint_of(g), t->bytes, g->size, ALL),
              BPFREE_OK);
}

static void tail_add(tail *t, int written)
{
  CHECK(written > 0);
  t->size += (uint32_t)written;
}

#define ROOM(t) (t)->bytes + (t)->size, (uint32_t)sizeof (t)->bytes - (t)->size

/* Replays the tail from the beginning. */
static int tail_replay(tail *t, const golden_journal *g)
{
  run r;
  bpfree_journal j;
  start(&r, g);
  const int status = bpfree_journal_replay(&j, &r.trainer, &r.context, fingerprint_of(g), t->bytes, t->size, ALL);
  if (!status) CHECK_EQUAL(theta_of(&r), theta_of(&t->r));
  end(&r);
  end(&t->r);
  return status;
}

/* A device reads its log, goes on, and writes on. */
static void goes_on(const golden_journal *g)
{
  tail t;
  tail_start(&t, g);
  for (uint32_t k = 0; k < 3; k++) {
    CHECK_EQUAL(bpfree_step(&t.r.trainer, &t.r.context), BPFREE_OK);
    tail_add(&t, bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)));
  }
  CHECK_EQUAL(tail_replay(&t, g), BPFREE_OK);
}

/* Records whose CRC is right, and that are wrong all the same. */
static void contradictions(const golden_journal *g)
{
  const float huge = 0x1p+127f;
  tail t;
  tail_start(&t, g); /* a step twice */
  CHECK_EQUAL(bpfree_step(&t.r.trainer, &t.r.context), BPFREE_OK);
  tail_add(&t, bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)));
  t.j.step--;
  tail_add(&t, bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)));
  CHECK_EQUAL(tail_replay(&t, g), BPFREE_ERR_FORMAT);

  tail_start(&t, g); /* a step left out */
  t.r.context.step += 2;
  t.j.step++;
  tail_add(&t, bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)));
  CHECK_EQUAL(tail_replay(&t, g), BPFREE_ERR_FORMAT);

  tail_start(&t, g); /* coefficients that are not finite: not written, and not read */
  CHECK_EQUAL(bpfree_step(&t.r.trainer, &t.r.context), BPFREE_OK);
  const float kept = t.r.context.coefficients[1];
  t.r.context.coefficients[1] = huge * 2.0f;
  CHECK_EQUAL(bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)), BPFREE_ERR_NUMERIC);
  t.r.context.coefficients[1] = kept;
  const uint64_t at = t.j.at;
  const int n = bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t));
  uint8_t *const record = t.bytes + t.size;
  put32(record + RECORD + 4, bpfree_bits32(huge * 2.0f));
  put32(record + CRC_AT, bpfree_record_check(&t.j, at, record, record + RECORD, (uint64_t)n - RECORD));
  tail_add(&t, n);
  CHECK_EQUAL(tail_replay(&t, g), BPFREE_ERR_FORMAT);

  for (uint32_t at_theta = 0; at_theta < 2; at_theta++) { /* a snapshot that the scalars do not lead to */
    if (!at_theta && g == PLAIN) continue;
    tail_start(&t, g);
    (at_theta ? t.r.context.theta : t.r.context.state)[5] += 1.0f;
    tail_add(&t, bpfree_journal_snapshot(&t.j, &t.r.context, ROOM(&t)));
    CHECK_EQUAL(tail_replay(&t, g), BPFREE_ERR_FORMAT);
  }
}

static void other_runs(const golden_journal *g)
{
  const uint64_t own = fingerprint_of(g);
  const golden_journal *const other = g == PLAIN ? ADAM : PLAIN; /* another size of state */
#define REFUSED(change, fingerprint, to_step, status)                                                            \
  do {                                                                                                           \
    run r;                                                                                                       \
    bpfree_journal j;                                                                                            \
    start(&r, g);                                                                                                \
    change;                                                                                                      \
    const uint64_t before = theta_of(&r);                                                                        \
    CHECK_EQUAL(bpfree_journal_replay(&j, &r.trainer, &r.context, fingerprint, g->bytes, g->size, to_step), status); \
    CHECK(theta_of(&r) == before && r.context.step == 0);                                                        \
    end(&r);                                                                                                     \
  } while (0)
  REFUSED(r.context.theta[0] += 1.0f, own, ALL, BPFREE_ERR_MODEL);
  REFUSED(r.trainer.seed++, own, ALL, BPFREE_ERR_MODEL);
  REFUSED(r.trainer.n_queries++, own, ALL, BPFREE_ERR_MODEL);
  REFUSED((r.trainer.links = other->links, r.trainer.n_links = other->n_links), own, ALL, BPFREE_ERR_MODEL);
  REFUSED((void)0, own + 1, ALL, BPFREE_ERR_MODEL);
  REFUSED((void)0, own, GOLDEN_JOURNAL_STEPS + 1, BPFREE_ERR_ARG);
  bpfree_model model = golden_runs[0].network->model;
  model.hash[1] ^= 1u;
  REFUSED(r.trainer.model = &model, own, ALL, BPFREE_ERR_MODEL);
}

/* Snapshots only, at steps 2 and 5; and a journal that begins in the middle of a run. */
static void snapshots(void)
{
  static const uint8_t text[] = "any";
  const uint64_t own = bpfree_fingerprint(text, 3);
  run r;
  start(&r, ADAM);
  bpfree_journal j;
  static uint8_t bytes[8192];
  uint32_t size = 0;
  uint64_t hash[6], state5 = 0;
  for (uint32_t late = 0; late < 2; late++) {
    const uint32_t kind = late ? BPFREE_SCALARS : BPFREE_SNAPSHOT;
    const uint64_t base = theta_of(&r);
    float *theta = floats(r.trainer.model->n_theta);
    memcpy(theta, r.context.theta, r.trainer.model->n_theta * sizeof(float));
    size = (uint32_t)bpfree_journal_begin(&j, &r.trainer, &r.context, kind, 8, text, 3, bytes, sizeof bytes);
    const uint32_t first = r.context.step;
    if (late) size += (uint32_t)bpfree_journal_snapshot(&j, &r.context, bytes + size, sizeof bytes - size);
    for (uint32_t step = 1; step < 6; step++) {
      CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
      hash[step] = theta_of(&r);
      if (late) size += (uint32_t)bpfree_journal_scalars(&j, &r.context, bytes + size, sizeof bytes - size);
      else if (step == 2 || step == 5)
        size += (uint32_t)bpfree_journal_snapshot(&j, &r.context, bytes + size, sizeof bytes - size);
    }
    state5 = bpfree_hash(r.context.state, j.n_state);
    const uint32_t stops[] = {2, 5, ALL, 3, 6};
    for (uint32_t k = 0; k < COUNT(stops); k++) {
      run again;
      start(&again, ADAM);
      memcpy(again.context.theta, theta, r.trainer.model->n_theta * sizeof(float));
      CHECK_EQUAL(theta_of(&again), base);
      const uint32_t stop = stops[k] == ALL ? ALL : first + stops[k];
      const int reachable = k < 3 || (late && k == 3);
      CHECK_EQUAL(bpfree_journal_replay(&j, &again.trainer, &again.context, own, bytes, size, stop),
                  reachable ? BPFREE_OK : BPFREE_ERR_ARG);
      if (reachable) CHECK_EQUAL(theta_of(&again), hash[k == 2 ? 5 : stops[k]]);
      if (reachable) CHECK_EQUAL(again.context.step, first + (k == 2 ? 5 : stops[k]));
      if (reachable && !late) CHECK(again.context.small_at != again.context.step); /* a snapshot's numbers may be large */
      if (k == 1 || k == 2) CHECK_EQUAL(bpfree_hash(again.context.state, j.n_state), state5);
      end(&again);
    }
    if (late) { /* without its first snapshot the state is not known */
      const int n = bpfree_journal_begin(&j, &r.trainer, &r.context, kind, 8, text, 3, bytes, sizeof bytes);
      CHECK_EQUAL(bpfree_journal_replay(&j, &r.trainer, &r.context, own, bytes, (uint64_t)n, ALL), BPFREE_ERR_FORMAT);
    }
    free(theta);
  }
  end(&r);
}

/* What was sealed is what is there: verified, gone on from, and noticed when it is not. */
static void seals(const golden_journal *g)
{
  uint64_t at[64], sealed;
  const uint32_t n = places(g, at);
  CHECK_EQUAL(bpfree_journal_verify(g->bytes, g->size, &sealed), BPFREE_OK);
  CHECK_EQUAL(sealed, at[n - 1]); /* the last record is a seal */
  CHECK_EQUAL(bpfree_journal_verify(g->bytes, (uint64_t)at[n - 1], &sealed), BPFREE_OK);
  CHECK(sealed == 0 || g != PLAIN);

  tail t;
  tail_start(&t, g); /* a device goes on in a sealed log, and seals it again */
  bpfree_seal seal;
  bpfree_seal_begin(&seal, &t.j, t.bytes);
  CHECK_EQUAL(bpfree_skip(&t.r.trainer, &t.r.context), BPFREE_OK);
  tail_add(&t, bpfree_journal_skip(&t.j, &t.r.context, BPFREE_SKIP_OTHER, NULL, 0, ROOM(&t)));
  const uint32_t before = t.size;
  tail_add(&t, bpfree_journal_seal(&t.j, &t.r.context, ROOM(&t)));
  CHECK_EQUAL(bpfree_journal_verify(t.bytes, t.size, &sealed), BPFREE_OK);
  CHECK_EQUAL(sealed, before);

  uint8_t *const record = t.bytes + before; /* a seal of other bytes, whose CRC is right */
  record[RECORD + 31] ^= 1u;
  put32(record + CRC_AT, bpfree_record_check(&t.j, before, record, record + RECORD, t.size - before - RECORD));
  CHECK_EQUAL(bpfree_journal_verify(t.bytes, t.size, &sealed), BPFREE_ERR_FORMAT);
  CHECK_EQUAL(tail_replay(&t, g), BPFREE_OK); /* a replay verifies each record's CRC, not the seals */
}

/* A step that is skipped moves nothing, is counted, and stays what it was in a replay. */
static void skips(void)
{
  for (uint32_t k = 0; k < COUNT(golden_journals); k++) {
    const golden_journal *g = &golden_journals[k];
    tail t;
    tail_start(&t, g);
    for (uint32_t step = 0; step < 5; step++) {
      const uint64_t theta = theta_of(&t.r);
      if (step % 2) {
        CHECK_EQUAL(bpfree_skip(&t.r.trainer, &t.r.context), BPFREE_OK);
        CHECK_EQUAL(theta_of(&t.r), theta);
        for (uint32_t i = 0; i < t.j.n_record; i++) CHECK(t.r.context.coefficients[i] == 0.0f);
        CHECK_EQUAL(bpfree_journal_scalars(&t.j, &t.r.context, t.bytes, 0), BPFREE_ERR_SIZE); /* could, but for room */
        tail_add(&t, bpfree_journal_skip(&t.j, &t.r.context, BPFREE_SKIP_NUMERIC, (const uint8_t *)"inf", 3, ROOM(&t)));
      } else {
        CHECK_EQUAL(bpfree_step(&t.r.trainer, &t.r.context), BPFREE_OK);
        tail_add(&t, bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)));
      }
      CHECK_EQUAL(t.r.context.step, GOLDEN_JOURNAL_STEPS + step + 1);
      CHECK_EQUAL(t.j.step, t.r.context.step);
      CHECK_EQUAL(bpfree_journal_skip(&t.j, &t.r.context, 1, NULL, 0, ROOM(&t)), BPFREE_ERR_ARG); /* not skipped */
    }
    tail_add(&t, bpfree_journal_snapshot(&t.j, &t.r.context, ROOM(&t))); /* the state, too */
    CHECK_EQUAL(tail_replay(&t, g), BPFREE_OK);
  }
}

int main(void)
{
  for (uint32_t k = 0; k < COUNT(golden_journals); k++) {
    const golden_journal *g = &golden_journals[k];
    const int before = check_failures;
    replays(g);
    writes(g);
    goes_on(g);
    contradictions(g);
    other_runs(g);
    seals(g);
    if (check_failures > before) printf("in the journal \"%s\"\n", g->name);
  }
  snapshots();
  skips();
  return CHECK_RESULT();
}
