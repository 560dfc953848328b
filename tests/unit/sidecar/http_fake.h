/* The real HTTP front on its own thread, with an engine that does as it is told. */
#ifndef PAWL_TESTS_UNIT_SIDECAR_HTTP_FAKE_H
#define PAWL_TESTS_UNIT_SIDECAR_HTTP_FAKE_H

#include <pthread.h>
#include <uv.h>

#include "sidecar/io/http.h"

#define HTTP_FAKE_CALLS_MAX 512u

struct http_fake_call {
    uint64_t token; /* 0: free */
    pawl_api_on_answer *on_answer;
    void *context;
};

struct http_fake {
    struct pawl_api api;
    struct pawl_http *http;
    uv_loop_t loop;
    uv_async_t wake;
    uv_idle_t idle; /* runs while a call waits for its answer */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    void (*job)(struct http_fake *fake); /* to be run on the loop */
    bool hold;                           /* calls get no answer */
    struct http_fake_call calls[HTTP_FAKE_CALLS_MAX];
    uint64_t tokens;
    uint32_t calls_total;
    uint32_t cancels_total;
    char last[8192]; /* the last request in words */
    struct pawl_answer answer;
    struct pawl_api_info info;
    struct pawl_node_metrics metrics;
    uint16_t port;
};

struct http_fake *http_fake_open(const char *token);
void http_fake_close(struct http_fake *fake); /* closes the front as well */

/* On the loop's thread; returns when it is done. */
void http_fake_run(struct http_fake *fake, void (*job)(struct http_fake *fake));

/* Until that many calls have come, or been cancelled, in all. Fails after 20 s. */
void http_fake_await_calls(struct http_fake *fake, uint32_t calls_total);
void http_fake_await_cancels(struct http_fake *fake, uint32_t cancels_total);

/* What the last request was, e.g. "start instance=a name=N payload=x". */
void http_fake_last(struct http_fake *fake, char *ret_text, size_t size);
void http_fake_set_error(struct http_fake *fake, pawl_err err, const char *message);
void http_fake_set_hold(struct http_fake *fake, bool hold);

/* A client: a connected socket with a receive timeout of two minutes. */
int http_client_connect(uint16_t port);
void http_client_send(int fd, const void *data, size_t size);

/* As recv; only with such a timeout does it end early when the process was stopped for a
 * while, which is passed over. */
ssize_t http_client_receive(int fd, void *data, size_t size, int flags);

/* Everything until the server closes, 0-terminated; free() it. */
char *http_client_drain(int fd);

/* One request with "Connection: close"; `headers` are whole lines ending in CRLF. */
char *http_client_do(uint16_t port, const char *method, const char *target, const char *headers,
                     const char *body);

int http_answer_status(const char *answer);
const char *http_answer_body(const char *answer);

#endif /* PAWL_TESTS_UNIT_SIDECAR_HTTP_FAKE_H */
