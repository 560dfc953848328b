#include <inttypes.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/peer_internal.h"

static struct pawl_bytes version_text(struct pawl_peer_stream *stream, uint32_t version)
{
    return pawl_arena_printf(&stream->arena,
                             "one sidecar speaks peer protocol version %u and the other %" PRIu32
                             "; run pawld of releases that go together",
                             PAWL_PEER_PROTOCOL_VERSION, version);
}

static struct pawl_bytes namespace_text(struct pawl_peer_stream *stream, struct pawl_bytes other)
{
    return pawl_arena_printf(&stream->arena,
                             "sidecars of namespace '%s' and of namespace '%.*s' do not talk to "
                             "each other; check --namespace, --placement and --peer-advertise of "
                             "both",
                             stream->config.namespace_, PAWL_BYTES_FMT(other));
}

/* What both sides ask of each other. */
static pawl_err common_check(struct pawl_peer_stream *stream, const struct pawl_peer_hello *hello,
                             struct pawl_bytes *ret_text)
{
    const struct pawl_peer_stream_config *config = &stream->config;
    if (hello->protocol_version != PAWL_PEER_PROTOCOL_VERSION) {
        *ret_text = version_text(stream, hello->protocol_version);
        return PAWL_E_VERSION;
    }
    if (config->token && !pawl_bytes_is_equal_secret(pawl_bytes_str(config->token), hello->token)) {
        *ret_text = PAWL_BYTES_LITERAL("the token of the other sidecar is missing or not the same; "
                                       "give all sidecars of a namespace the same --token-file");
        return PAWL_E_DENIED;
    }
    if (!pawl_bytes_is_str(hello->namespace_, config->namespace_)) {
        *ret_text = namespace_text(stream, hello->namespace_);
        return PAWL_E_DENIED;
    }
    return PAWL_OK;
}

/* The list is what makes a host one: it must be there, with the app it says. */
static pawl_err member_check(struct pawl_peer_stream *stream, const struct pawl_peer_hello *hello,
                             struct pawl_bytes *ret_text)
{
    if (pawl_bytes_is_str(hello->host, stream->config.host)) {
        *ret_text = pawl_arena_printf(&stream->arena,
                                      "host id '%s' is that of the sidecar that was called; give "
                                      "each process its own --host-id, or none",
                                      stream->config.host);
        return PAWL_E_DENIED;
    }
    const struct peer *peer = pawl_map_find(&stream->peers, hello->host);
    if (!peer) {
        *ret_text = pawl_arena_printf(
            &stream->arena,
            "host '%.*s' of app '%.*s' is not in the member list; it must be connected to the "
            "same placement service",
            PAWL_BYTES_FMT(hello->host), PAWL_BYTES_FMT(hello->app));
        return PAWL_E_UNAVAILABLE;
    }
    if (!pawl_bytes_is_equal(hello->app, peer->app)) {
        *ret_text = pawl_arena_printf(&stream->arena,
                                      "host '%.*s' says it serves app '%.*s', but it joined as a "
                                      "sidecar of app '%.*s'",
                                      PAWL_BYTES_FMT(hello->host), PAWL_BYTES_FMT(hello->app),
                                      PAWL_BYTES_FMT(peer->app));
        return PAWL_E_DENIED;
    }
    return PAWL_OK;
}

pawl_err pawl_peer_hello_check(struct pawl_peer_stream *stream, const struct pawl_peer_hello *hello,
                               struct pawl_bytes *ret_text)
{
    pawl_err err = common_check(stream, hello, ret_text);
    return err == PAWL_OK ? member_check(stream, hello, ret_text) : err;
}

pawl_err pawl_peer_welcome_check(struct pawl_peer_stream *stream, const struct peer *peer,
                                 const struct pawl_peer_hello *welcome, struct pawl_bytes *ret_text)
{
    pawl_err err = common_check(stream, welcome, ret_text);
    if (err != PAWL_OK) return err;
    if (pawl_bytes_is_equal(welcome->host, peer->host)
        && pawl_bytes_is_equal(welcome->app, peer->app))
        return PAWL_OK;
    *ret_text = pawl_arena_printf(&stream->arena,
                                  "host '%.*s' of app '%.*s' answers there, not '%.*s' of app "
                                  "'%.*s'; check --peer-advertise of both",
                                  PAWL_BYTES_FMT(welcome->host), PAWL_BYTES_FMT(welcome->app),
                                  PAWL_BYTES_FMT(peer->host), PAWL_BYTES_FMT(peer->app));
    return PAWL_E_DENIED;
}
