#include "tests/unit/base/expect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void memory_is_zeroed_and_can_be_resized(void **state)
{
    (void)state;
    uint8_t *memory = (uint8_t *)pawl_mem_alloc(1000);
    for (size_t i = 0; i < 1000; i++) assert_int_equal(memory[i], 0);
    memset(memory, 7, 1000);
    memory = (uint8_t *)pawl_mem_resize(memory, 100000);
    for (size_t i = 0; i < 1000; i++) assert_int_equal(memory[i], 7);
    pawl_mem_free(memory);
}

static void no_bytes_are_memory_too(void **state)
{
    (void)state;
    void *memory = pawl_mem_alloc(0);
    assert_non_null(memory);
    memory = pawl_mem_resize(memory, 0);
    assert_non_null(memory);
    pawl_mem_free(memory);
    pawl_mem_free(NULL);
}

static void when_memory_is_short_the_process_stops_and_says_why(void **state)
{
    (void)state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        void *memory = pawl_mem_alloc(SIZE_MAX / 4);
        _exit(memory ? 0 : 2);
    }
    close(pipe_ends[1]);
    char text[4096] = "";
    size_t used = 0;
    for (;;) {
        ssize_t got = read(pipe_ends[0], text + used, sizeof text - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    close(pipe_ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
    assert_non_null(strstr(text, "out of memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_can_be_resized),
        cmocka_unit_test(no_bytes_are_memory_too),
        cmocka_unit_test(when_memory_is_short_the_process_stops_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
