/* Server-sent events: from bytes in any pieces to whole events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/event_lines.h"

#define SEEN_SIZE 512

struct fixture {
    struct pawl_event_lines lines;
    char seen[SEEN_SIZE]; /* "[event|data]" of each, "-" for absent data */
    uint32_t count;
    uint32_t enough;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    pawl_event_lines_init(&fixture->lines);
    fixture->enough = UINT32_MAX;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pawl_event_lines_deinit(&fixture->lines);
    free(fixture);
    return 0;
}

static bool on_event(void *context, struct pawl_bytes event, struct pawl_bytes data)
{
    struct fixture *fixture = context;
    struct pawl_bytes shown = pawl_bytes_is_absent(data) ? PAWL_BYTES_LITERAL("-") : data;
    size_t used = strlen(fixture->seen);
    (void)snprintf(fixture->seen + used, SEEN_SIZE - used, "[%.*s|%.*s]", PAWL_BYTES_FMT(event),
                   PAWL_BYTES_FMT(shown));
    return ++fixture->count < fixture->enough;
}

static bool take(struct fixture *fixture, const char *text)
{
    return pawl_event_lines_take(&fixture->lines, pawl_bytes_str(text), on_event, fixture);
}

static const char *id_of(const struct fixture *fixture)
{
    return fixture->lines.id.size ? (const char *)fixture->lines.id.data : "";
}

static void events_come_whole_from_any_pieces(void **state)
{
    struct fixture *fixture = *state;
    static const char stream[] = "event: state\ndata: {\"a\":1}\nid: i3k-2w-2\n\n"
                                 ": nothing new\nid: i3k-2w-3\n\n"
                                 "event:change\r\ndata:one\r\ndata: two\r\n\r\n";
    for (size_t i = 0; i + 1 < sizeof stream; i++) {
        const char piece[] = { stream[i], 0 };
        assert_true(take(fixture, piece));
    }
    assert_string_equal(fixture->seen, "[state|{\"a\":1}][|-][change|one\ntwo]");
    assert_string_equal(id_of(fixture), "i3k-2w-3"); /* it stays until there is another */
}

static void what_is_not_known_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    assert_true(take(fixture, "retry: 5\nevents: x\n datum\ndata\nevent: e\n\n"));
    assert_string_equal(fixture->seen, "[e|-]");
    assert_string_equal(id_of(fixture), "");
}

static void a_half_event_is_forgotten_with_its_connection(void **state)
{
    struct fixture *fixture = *state;
    assert_true(take(fixture, "id: p1\nevent: change\ndata: whole\n\nevent: change\ndata: ha"));
    pawl_event_lines_reset(&fixture->lines);
    assert_string_equal(id_of(fixture), "p1");
    assert_true(take(fixture, "event: state\ndata: new\n\n"));
    assert_string_equal(fixture->seen, "[change|whole][state|new]");
}

static void it_ends_when_it_is_enough(void **state)
{
    struct fixture *fixture = *state;
    fixture->enough = 1;
    assert_false(take(fixture, "data: a\n\ndata: b\n\n"));
    assert_string_equal(fixture->seen, "[|a]");
}

static void a_line_or_an_event_without_end_is_refused(void **state)
{
    struct fixture *fixture = *state;
    enum { PIECE = 64 << 10 };
    char *piece = malloc(PIECE + 1);
    assert_non_null(piece);
    memset(piece, 'x', PIECE);
    piece[PIECE] = 0;
    uint32_t pieces = 0;
    while (take(fixture, piece)) assert_true(++pieces <= 16);
    assert_int_equal(pieces, 16); /* a MiB */
    pawl_event_lines_reset(&fixture->lines);
    memcpy(piece, "data: ", 6);
    piece[PIECE - 1] = '\n';
    for (pieces = 0; take(fixture, piece); pieces++) assert_true(pieces <= 16);
    assert_int_equal(pieces, 16);
    pawl_event_lines_reset(&fixture->lines);
    assert_true(take(fixture, "data: small\n\n")); /* and another connection is good again */
    assert_string_equal(fixture->seen, "[|small]");
    free(piece);
}

static void an_id_longer_than_any_position_is_refused_and_the_last_one_stays(void **state)
{
    struct fixture *fixture = *state;
    char *line = malloc(PAWL_POSITION_SIZE_MAX + 16);
    assert_non_null(line);
    memset(line, 'x', PAWL_POSITION_SIZE_MAX + 16);
    memcpy(line, "id: ", 4);
    memcpy(line + 4 + PAWL_POSITION_SIZE_MAX, "x\n", 3);
    assert_true(take(fixture, "id: p1\n"));
    assert_false(take(fixture, line));
    assert_string_equal(id_of(fixture), "p1");
    memcpy(line + 4 + PAWL_POSITION_SIZE_MAX, "\n", 2);
    assert_true(take(fixture, line));
    assert_int_equal(strlen(id_of(fixture)), PAWL_POSITION_SIZE_MAX);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(events_come_whole_from_any_pieces),
        TEST(what_is_not_known_is_passed_over),
        TEST(a_half_event_is_forgotten_with_its_connection),
        TEST(it_ends_when_it_is_enough),
        TEST(an_id_longer_than_any_position_is_refused_and_the_last_one_stays),
        TEST(a_line_or_an_event_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
