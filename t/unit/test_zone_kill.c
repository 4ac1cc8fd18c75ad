
/*
 * Processes hammer one zone and are killed at random; what they read, what is
 * counted and how the zone looks is compared with the model of zone_worker.h.
 *
 * CARGO_ZONE_KILL_SECONDS says for how long, 10 by default.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zone_worker.h"


#define SECONDS  10
#define CHUNKS   1000       /* too few for all keys */


typedef struct {
    uint64_t          killed;
    uint64_t          locked;           /* of these with the lock */
    uint64_t          changing;         /* of these in a change */
    uint64_t          detached;         /* entries that were left in the end */
    uint64_t          lost[ZONE_IDS];   /* at most, from counters */
} deaths_t;


static void start(void);
static void run(void);
static pid_t spawn(unsigned n);
static void bury(unsigned n);
static void check_counters(void);
static void check_chunks(void);
static void check_sound(const char *when);
static void report(void);


static int            region_fd;
static pid_t          pids[ZONE_WORKERS];
static size_t         region_size;
static deaths_t       deaths;
static uint64_t       seed;
static cargo_zone_t   zone;
static zone_model_t  *model;


int
main(void)
{
    unsigned  n;

    start();
    run();

    for (n = 0; n < ZONE_WORKERS; n++) {
        bury(n);
    }

    check_sound("in the end");
    check_counters();
    check_chunks();
    report();

    return 0;
}


static void
start(void)
{
    void                *region;
    const unsigned char  key[CARGO_SIPHASH_KEY] = "sixteen bytes ..";

    (void) setvbuf(stdout, NULL, _IONBF, 0);
    seed = (uint64_t) time(NULL);

    region_size = cargo_zone_size_min() + CHUNKS * CARGO_ZONE_CHUNK;
    region_fd = memfd_create("zone", 0);

    model = mmap(NULL, sizeof(zone_model_t), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (region_fd == -1 || ftruncate(region_fd, (off_t) region_size) == -1
        || model == MAP_FAILED)
    {
        printf("Bail out! no shared memory: %s\n", strerror(errno));
        exit(1);
    }

    region = mmap(NULL, region_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                  region_fd, 0);

    zone.lock = zone_worker_lock;
    zone.unlock = zone_worker_unlock;
    zone.mutex = model;

    if (region == MAP_FAILED
        || cargo_zone_create(&zone, region, region_size, key) != 0)
    {
        printf("Bail out! no zone\n");
        exit(1);
    }

    model->now = 1000;
    model->parent = getpid();
}


static void
run(void)
{
    time_t       end;
    unsigned     n;
    const char  *seconds;

    seconds = getenv("CARGO_ZONE_KILL_SECONDS");
    end = time(NULL) + (seconds ? atol(seconds) : SECONDS);

    for (n = 0; n < ZONE_WORKERS; n++) {
        pids[n] = spawn(n);
    }

    while (time(NULL) < end) {
        (void) usleep((useconds_t) (500 + zone_worker_random(&seed, 4000)));

        /* a second in so little time: the time of a pin passes, too */
        zone_add(&model->now, 1);

        n = (unsigned) zone_worker_random(&seed, ZONE_WORKERS);
        bury(n);
        check_sound("after a kill");
        pids[n] = spawn(n);
    }
}


static pid_t
spawn(unsigned n)
{
    pid_t  pid;
    void  *region;

    pid = fork();

    if (pid == -1) {
        zone_worker_failed(model, "fork: %s", strerror(errno));
    }

    if (pid) {
        return pid;
    }

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    /* the parent is to kill, not to wait for its turn */
    (void) setpriority(PRIO_PROCESS, 0, 10);

    if (getppid() != model->parent) {
        _exit(0);
    }

    /* each at another address */

    region = mmap(NULL, region_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                  region_fd, 0);

    if (region == MAP_FAILED
        || cargo_zone_attach(&zone, region, region_size) != 0)
    {
        zone_worker_failed(model, "cannot attach to the zone");
    }

    zone_worker_run(&zone, model, &model->journals[n],
                    seed + ((uint64_t) getpid() << 32));

    return 0;
}


/* kills one and does what is left to do for it */

static void
bury(unsigned n)
{
    int              status;
    pid_t            pid;
    size_t           i;
    zone_journal_t  *journal;

    pid = pids[n];

    (void) kill(pid, SIGKILL);

    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)
        || WTERMSIG(status) != SIGKILL)
    {
        zone_worker_failed(model, "a process ended by itself: status %d",
                           status);
    }

    deaths.killed++;

    if (zone_load(&model->holder) == pid) {
        deaths.locked++;
        deaths.changing += zone.header->changing;
        zone_put(&model->holder, 0);
    }

    journal = &model->journals[n];

    if (journal->taking) {
        for (i = journal->done; i < ZONE_BATCH && journal->counts[i].id; i++) {
            deaths.lost[journal->counts[i].id] += journal->counts[i].count;
        }
    }

    memset(journal, 0, sizeof(zone_journal_t));
}


static void
check_counters(void)
{
    size_t              i, n;
    uint64_t            id;
    static uint64_t     inside[ZONE_IDS];
    cargo_zone_count_t  counts[ZONE_BATCH];

    while ((n = cargo_zone_take_counts(&zone, counts, ZONE_BATCH)) != 0) {
        for (i = 0; i < n; i++) {
            inside[counts[i].id] += counts[i].count;
        }
    }

    for (id = 1; id < ZONE_IDS; id++) {
        if (model->taken[id] + inside[id] > model->started[id]) {
            zone_worker_failed(model, "counter %" PRIu64
                               ": more than was counted", id);
        }

        if (model->taken[id] + inside[id] + deaths.lost[id]
            < model->counted[id])
        {
            zone_worker_failed(model, "counter %" PRIu64
                               ": less than was counted", id);
        }
    }

    printf("ok 1 - counters\n");
}


/* no chunk is lost: after the time of a pin all of them serve again */

static void
check_chunks(void)
{
    char                     text[32];
    uint32_t                 i;
    cargo_str_t              head = cargo_string("head");
    cargo_zone_key_t         key;
    cargo_zone_stats_t       stats;
    const cargo_str_t        none[CARGO_ZONE_BODIES] = { { 0, NULL },
                                                         { 0, NULL } };
    cargo_zone_generation_t  generation;

    zone_add(&model->now, 2 * CARGO_ZONE_PIN_TIME);
    cargo_zone_stats(&zone, &stats);
    deaths.detached = stats.detached;

    for (i = 0; i < stats.chunks; i++) {
        memset(&key, 0, sizeof(cargo_zone_key_t));
        key.key.data = (unsigned char *) text;
        key.key.len = (size_t) snprintf(text, sizeof(text), "last %u", i);

        cargo_zone_generation(&zone, &key, &generation);

        if (cargo_zone_store(&zone, &key, &generation, zone_load(&model->now),
                             head, none) != CARGO_OK)
        {
            zone_worker_failed(model, "no room for entry %u of %u", i,
                               stats.chunks);
        }
    }

    check_sound("full");
    cargo_zone_stats(&zone, &stats);

    if (stats.detached || stats.chunks_free || stats.entries != stats.chunks) {
        zone_worker_failed(model,
                           "%u detached, %u free, %u entries in %u chunks",
                           stats.detached, stats.chunks_free, stats.entries,
                           stats.chunks);
    }

    printf("ok 2 - all chunks\n");
}


static void
check_sound(const char *when)
{
    const char  *error;

    error = cargo_zone_verify(&zone);

    if (error) {
        zone_worker_failed(model, "%s: %s", when, error);
    }
}


static void
report(void)
{
    cargo_zone_stats_t  stats;

    cargo_zone_stats(&zone, &stats);

    printf("# killed %" PRIu64 ": %" PRIu64 " with the lock, %" PRIu64
           " in a change; resets %" PRIu64 ", left detached %" PRIu64 "\n",
           deaths.killed, deaths.locked, deaths.changing, stats.resets,
           deaths.detached);
    printf("# read %" PRIu64 ", copied outside of the lock %" PRIu64
           ", of them in vain %" PRIu64 ", stored %" PRIu64 ", evicted %"
           PRIu64 ", refused %" PRIu64 ", walks %" PRIu64 "\n",
           model->reads, model->copies, model->worthless, model->stores,
           stats.evictions, stats.refusals, model->walks);

    if (model->copies == 0 || stats.evictions == 0 || model->walks == 0) {
        zone_worker_failed(model, "nothing was tried");
    }

    printf("ok 3 - killed while they did what they do\n1..3\n");
}
