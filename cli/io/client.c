#include "cli/io/client.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "base/assert.h"
#include "base/limits.h"

struct taking {
    CURL *curl;
    const struct pawl_client_request *request;
    struct pawl_buf *body;
};

static size_t client_on_data(char *data, size_t size, size_t count, void *context)
{
    struct taking *taking = context;
    long status = 0;
    if (taking->request->on_data) curl_easy_getinfo(taking->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        struct pawl_bytes part = { (const uint8_t *)data, size * count };
        return taking->request->on_data(taking->request->context, part) ? part.size : 0;
    }
    pawl_buf_append(taking->body, data, size * count);
    return taking->body->bad == PAWL_OK ? size * count : 0;
}

/* NULL: out of memory. */
static struct curl_slist *header_position(struct curl_slist *list, const char *position)
{
    static const char name[] = "Last-Event-ID: ";
    PAWL_ASSERT(strlen(position) <= PAWL_POSITION_SIZE_MAX);
    struct pawl_buf line;
    pawl_buf_init(&line, sizeof name + PAWL_POSITION_SIZE_MAX);
    pawl_buf_append_str(&line, name);
    pawl_buf_append_str(&line, position);
    pawl_buf_append(&line, "", 1);
    struct curl_slist *longer =
        line.bad == PAWL_OK ? curl_slist_append(list, (const char *)line.data) : NULL;
    if (!longer) curl_slist_free_all(list);
    pawl_buf_deinit(&line);
    return longer;
}

static struct curl_slist *client_headers(const struct pawl_client_request *request)
{
    /* No "Expect": the sidecar answers at once, and waiting for it costs a second where
     * something in between does not know it. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    list = curl_slist_append(list, "Content-Type: application/octet-stream");
    char line[4096];
    if (request->token) {
        snprintf(line, sizeof line, "pawl-api-token: %s", request->token);
        list = curl_slist_append(list, line);
    }
    if (request->key) {
        snprintf(line, sizeof line, "Idempotency-Key: %s", request->key);
        list = curl_slist_append(list, line);
    }
    if (request->event_stream) list = curl_slist_append(list, "Accept: text/event-stream");
    if (request->event_stream && request->event_stream[0])
        list = header_position(list, request->event_stream);
    return list;
}

static void client_setup(CURL *curl, const struct pawl_client_request *request,
                         struct curl_slist *headers, struct taking *taking,
                         struct pawl_client_answer *answer)
{
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, answer->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, taking);
    if (request->silence_ms) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(request->silence_ms / 1000));
    }
    if (strcmp(request->method, "POST") != 0) return;
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                     request->body.size > 0 ? (const char *)request->body.data : "");
}

void pawl_client_perform(const struct pawl_client_request *request,
                         struct pawl_client_answer *ret_answer)
{
    *ret_answer = (struct pawl_client_answer){ .status = 0 };
    pawl_buf_init(&ret_answer->body, PAWL_HTTP_REPLY_SIZE_MAX);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = client_headers(request);
    if (!curl || !headers) {
        snprintf(ret_answer->error, sizeof ret_answer->error, "out of memory");
    } else {
        struct taking taking = { curl, request, &ret_answer->body };
        client_setup(curl, request, headers, &taking, ret_answer);
        CURLcode code = curl_easy_perform(curl);
        /* What there was of a stream counts, however it ended. */
        if (code == CURLE_OK || request->on_data)
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_answer->status);
        if (code != CURLE_OK && ret_answer->error[0] == 0) {
            snprintf(ret_answer->error, sizeof ret_answer->error, "%s", curl_easy_strerror(code));
        }
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}
