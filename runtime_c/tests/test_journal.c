/* SPDX-License-Identifier: MIT */
/* A journal gives back the run it was written by, bit for bit; C writes the
 * bytes that Python writes; what contradicts itself or another run is refused. */
#define _POSIX_C_SOURCE 200112L
#include "journal_run.h"

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

/* Follows a golden journal with a run of its own, writing: the same bytes. */
static void writes(const golden_journal *g)
{
  run r;
  start(&r, g);
  bpfree_journal read, j;
  bpfree_journal_record record;
  uint8_t *out = copy_of(g->bytes, g->size);
  memset(out, 0xee, g->size);
  CHECK_EQUAL(bpfree_journal_open(&read, g->bytes, g->size), BPFREE_OK);
  int n = bpfree_journal_begin(&j, &r.trainer, &r.context, BPFREE_SCALARS, read.text, read.n_text, out, g->size);
  uint32_t size = n > 0 ? (uint32_t)n : 0;
  while (bpfree_journal_next(&read, &record) == 1) {
    CHECK_EQUAL(j.at, size);
    uint8_t *to = out + size;
    const uint32_t room = 16 + record.size; /* just enough */
    for (uint32_t less = room > 40 ? room - 40 : 0; less < room; less++)
      CHECK_EQUAL(record.type == BPFREE_SNAPSHOT ? bpfree_journal_snapshot(&j, &r.context, to, less)
                                                 : bpfree_journal_event(&j, &r.context, 1, record.payload + 4,
                                                                        record.size - 4, to, less),
                  BPFREE_ERR_SIZE);
    if (record.type == BPFREE_SCALARS) {
      CHECK_EQUAL(bpfree_journal_scalars(&j, &r.context, to, room), BPFREE_ERR_ARG); /* before the step */
      CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
      CHECK_EQUAL(bpfree_journal_scalars(&j, &r.context, to, room - 1), BPFREE_ERR_SIZE);
      n = bpfree_journal_scalars(&j, &r.context, to, room);
    } else if (record.type == BPFREE_SNAPSHOT) {
      n = bpfree_journal_snapshot(&j, &r.context, to, room);
    } else {
      n = bpfree_journal_event(&j, &r.context, BPFREE_EVENT_END, record.payload + 4, record.size - 4, to, room);
    }
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

  tail_start(&t, g); /* coefficients that are not finite */
  CHECK_EQUAL(bpfree_step(&t.r.trainer, &t.r.context), BPFREE_OK);
  t.r.context.coefficients[1] = huge * 2.0f;
  tail_add(&t, bpfree_journal_scalars(&t.j, &t.r.context, ROOM(&t)));
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
  const bpfree_link *other = g == PLAIN ? ADAM->links : PLAIN->links; /* another size of state */
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
  REFUSED((r.trainer.links = other, r.trainer.n_links = g == PLAIN ? 2 : 1), own, ALL, BPFREE_ERR_MODEL);
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
    size = (uint32_t)bpfree_journal_begin(&j, &r.trainer, &r.context, kind, text, 3, bytes, sizeof bytes);
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
      if (k == 1 || k == 2) CHECK_EQUAL(bpfree_hash(again.context.state, j.n_state), state5);
      end(&again);
    }
    if (late) { /* without its first snapshot the state is not known */
      const int n = bpfree_journal_begin(&j, &r.trainer, &r.context, kind, text, 3, bytes, sizeof bytes);
      CHECK_EQUAL(bpfree_journal_replay(&j, &r.trainer, &r.context, own, bytes, (uint64_t)n, ALL), BPFREE_ERR_FORMAT);
    }
    free(theta);
  }
  end(&r);
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
    if (check_failures > before) printf("in the journal \"%s\"\n", g->name);
  }
  snapshots();
  return CHECK_RESULT();
}
