/* One suite for every store: random calls go to the backend and to the reference
 * (state/mem.h), and every reply must be the same, field by field.
 *
 * A backend plugs in with its open function and the URL of an empty store:
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct suite_options options = { .name = "sqlite", .open = pawl_store_sqlite_open,
 *                                          .url = url, .ops = 100000 };
 *         suite_parse(&options, argc, argv);
 *         return suite_run(&options);
 *     }
 */
#ifndef PAWL_TESTS_CONFORMANCE_SUITE_H
#define PAWL_TESTS_CONFORMANCE_SUITE_H

#include "base/rng.h"
#include "state/io/backends.h"
#include "state/mem.h"

/* Run ---------------------------------------------------------------------------- */

struct suite_options {
    const char *name;
    pawl_err (*open)(const struct pawl_store_config *config, struct pawl_store **ret_store,
                     const char **ret_message);
    const char *url;
    const char *synchronous; /* SQLite; may be NULL */
    uint64_t seed;           /* 0: the default one */
    uint64_t ops;
};

/* --ops N, --seed N. Ends the program with a text for anything else. */
void suite_parse(struct suite_options *options, int argc, char **argv);

/* 0: every reply was the same and every outcome occurred. Prints what differs. */
int suite_run(const struct suite_options *options);

#define SUITE_PARTITIONS 16u

/* Generate ------------------------------------------------------------------------ */

/* What the generator remembers, one per partition in use. */
struct suite_partition {
    uint32_t index;
    struct pawl_fence fence;     /* the present owner's */
    struct pawl_fence old_fence; /* a former owner's */
    uint64_t table_version;
};

/* Outcomes that no error code shows. The run fails unless each one occurred. */
enum suite_mark {
    SUITE_CREATE_REBIND,
    SUITE_CREATE_LATE,
    SUITE_CREATE_REFUSED_STILL,
    SUITE_CREATE_REPLACE,
    SUITE_COMMIT_RESENT,
    SUITE_COMMIT_CARRY_BEFORE_ROWS,
    SUITE_COMMIT_TERMINAL,
    SUITE_COMMIT_WAKE_AT,
    SUITE_DELIVER_TIMER,
    SUITE_DELIVER_SEEN_BY_ENDED,
    SUITE_DELIVER_FORGOTTEN_BY_ENDED,
    SUITE_DELIVER_REWINDS,
    SUITE_DELIVER_REWINDS_NOT,
    SUITE_LOAD_OTHER_GEN,
    SUITE_LOAD_PART_OF_HISTORY,
    SUITE_POLL_FUTURE_TIMERS,
    SUITE_POLL_MESSAGE,
    SUITE_QUERY_MORE,
    SUITE_QUERY_TAGS,
    SUITE_QUERY_COUNT,
    SUITE_QUERY_COMPLETED,
    SUITE_QUERY_BY_ID,
    SUITE_CHANGES_FORGOTTEN,
    SUITE_CHANGES_OMITTED,
    SUITE_MARKS_COUNT
};

struct suite_generator {
    struct pawl_rng rng;
    struct pawl_mem *mem;
    struct pawl_arena arena; /* of the request being made */
    struct pawl_arena peek;  /* of what was looked up for it */
    int64_t now_ms;
    struct suite_partition partitions[2];
    struct pawl_arena previous_arena;
    struct pawl_store_request previous; /* to be sent again */
    bool is_resent;                     /* the request just made is that one */
    struct pawl_arena late_arenas[2];
    struct pawl_store_request late[2]; /* a CREATE that is to stay refused, and one of a child, of
                                          which late copies come; op 0: none */
    uint64_t marks[SUITE_MARKS_COUNT];
};

void suite_generator_init(struct suite_generator *generator, uint64_t seed, struct pawl_mem *mem);
void suite_generator_deinit(struct suite_generator *generator);

/* Move on to two partitions; fences are taken anew. */
void suite_generator_use(struct suite_generator *generator, uint32_t first, uint32_t second);

/* A request, valid until the next call. */
struct pawl_store_request suite_generate(struct suite_generator *generator);

/* What mem answered to it. */
void suite_learn(struct suite_generator *generator, const struct pawl_store_request *request,
                 const struct pawl_store_reply *reply);

/* Instance ids in use, hostile ones among them. NULL behind the last. */
const char *suite_instance(uint32_t at);

/* Text ---------------------------------------------------------------------------- */

/* Everything a reply says, as text: equal texts mean equal replies. */
struct pawl_bytes suite_reply_text(struct pawl_arena *arena, const struct pawl_store_reply *reply);

/* What was asked, for the report of a difference. */
struct pawl_bytes suite_request_text(struct pawl_arena *arena,
                                     const struct pawl_store_request *request);

#endif /* PAWL_TESTS_CONFORMANCE_SUITE_H */
