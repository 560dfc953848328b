/* A SQLite store in a folder of its own, used as the sidecar would: through the port
 * and a loop. */
#ifndef PAWL_TESTS_STATE_DISK_H
#define PAWL_TESTS_STATE_DISK_H

#include "world.h"

#include "state/io/backends.h"

#define DISK_REPLIES_MAX 4096u

struct disk {
    char folder[64];
    char path[128];
    char url[160];
    uv_loop_t loop;
    struct pawl_store_config config;
    struct pawl_store *store; /* NULL: closed */
    const char *message;      /* of the last open */
    bool ready;
    uint32_t told; /* how often on_state was called */
    uint32_t replies_count;
    pawl_err errs[DISK_REPLIES_MAX]; /* by token */
    bool replied[DISK_REPLIES_MAX];
    char text[256]; /* message of the last reply that had one */
    uint64_t epoch; /* of the last ACQUIRE */
    void (*on_reply)(struct disk *disk, const struct pawl_store_reply *reply); /* may be NULL */
    void *context;
};

int disk_setup(void **state);
int disk_teardown(void **state);

pawl_err disk_open(struct disk *disk);
void disk_close(struct disk *disk);

void disk_submit(struct disk *disk, struct pawl_store_request request, uint64_t token);
/* Flush and run the loop until so many replies came in all. */
void disk_wait(struct disk *disk, uint32_t replies_count);
/* One request, its error. */
pawl_err disk_apply(struct disk *disk, struct pawl_store_request request);

/* A statement on the closed file, as another program would run it; the first column of
 * the first row, or -1. */
int64_t disk_sql(struct disk *disk, const char *sql);

#endif /* PAWL_TESTS_STATE_DISK_H */
