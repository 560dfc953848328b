/* A sidecar for tests: listens on a free port and lets a test read and write the frames
 * one by one. All functions run on the test's thread. */
#ifndef PAWL_TESTS_SDK_FAKE_SIDECAR_H
#define PAWL_TESTS_SDK_FAKE_SIDECAR_H

#include "base/io/stream.h"
#include "sdk/frames.h"

#define FAKE_FRAMES_MAX 4096u

struct fake_sidecar {
    struct pawl_hub *hub;
    struct pawl_arena arena;
    char url[64];
    int wake_fd;
    pawl_conn_id conn; /* the newest; 0: none */
    uint32_t opened_count;
    uint32_t closed_count;
    bool answer_hello; /* WELCOME every HELLO at once */
    bool refuse_hello; /* refuse every HELLO instead: DENIED, "bad token" */
    struct pawl_frame frames[FAKE_FRAMES_MAX];
    uint32_t frames_first;
    uint32_t frames_count;
    uint32_t pongs_count;
    uint32_t turn_credit;
    uint32_t activity_credit;
};

void fake_open(struct fake_sidecar *fake);
void fake_close(struct fake_sidecar *fake);

/* The next frame that is not PING, PONG or CREDIT (which are handled); it must be of this
 * type and come within two minutes. Lives until fake_close. */
const struct pawl_frame *fake_expect(struct fake_sidecar *fake, enum pawl_frame_type type);

/* Handle what has come, or comes within this time. */
void fake_serve(struct fake_sidecar *fake, int timeout_ms);

/* Handle what comes until `*value` is at least `wanted`. */
void fake_until(struct fake_sidecar *fake, const uint32_t *value, uint32_t wanted);

void fake_send(struct fake_sidecar *fake, const struct pawl_frame *frame);

/* End the connection and wait until it is gone. */
void fake_drop(struct fake_sidecar *fake);

/* No frame is waiting after everything that has arrived was handled. */
void fake_expect_nothing(struct fake_sidecar *fake);

#endif /* PAWL_TESTS_SDK_FAKE_SIDECAR_H */
