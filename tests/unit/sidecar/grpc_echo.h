/* A service for tests: it writes down what it is told, and answers as its methods say. */
#ifndef PAWL_TESTS_GRPC_ECHO_H
#define PAWL_TESTS_GRPC_ECHO_H

#include "sidecar/grpc.h"

#define ECHO_PATH   "/test.Echo/Echo"   /* answers with the request */
#define LATER_PATH  "/test.Echo/Later"  /* waits: the test answers */
#define FAIL_PATH   "/test.Echo/Fail"   /* NOT_FOUND, the request as text */
#define WHO_PATH    "/test.Echo/Who"    /* answers with the metadata "who" */
#define STREAM_PATH "/test.Echo/Stream" /* a stream: the test sends */
#define COUNT_PATH  "/test.Echo/Count"  /* a stream: as many messages as the text says */

#define ECHO_RECORDS_MAX 16384u

struct echo {
    struct pawl_grpc **grpc; /* set after the service was made */
    uint32_t calls_count;
    uint64_t calls[ECHO_RECORDS_MAX];
    uint64_t conn;       /* of the last call */
    int64_t deadline_ms; /* as above */
    uint32_t cancelled_count;
    uint64_t cancelled[ECHO_RECORDS_MAX];
    char why[128]; /* of the last cancel */
    uint32_t writable_count;
    uint64_t writable;   /* the last one */
    uint32_t count_left; /* of COUNT_PATH */
    size_t count_size;   /* bytes of each of its messages */
};

/* The last call that began. */
uint64_t echo_last(const struct echo *echo);

struct pawl_grpc_service echo_service(struct echo *echo, struct pawl_grpc **grpc);

#endif /* PAWL_TESTS_GRPC_ECHO_H */
