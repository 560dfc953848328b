#include "tests/unit/base/expect.h"

#include "base/list.h"

struct item {
    int number;
    struct pawl_list link;
};

static void items_leave_in_the_order_they_came(void **state)
{
    (void)state;
    struct pawl_list head;
    struct item items[5] = { 0 };
    pawl_list_init(&head);
    assert_true(pawl_list_is_empty(&head));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        assert_false(pawl_list_is_linked(&items[i].link));
        pawl_list_push_tail(&head, &items[i].link);
        assert_true(pawl_list_is_linked(&items[i].link));
    }
    for (int i = 0; i < 5; i++) {
        struct item *first = PAWL_CONTAINER_OF(head.next, struct item, link);
        assert_int_equal(first->number, i);
        pawl_list_remove(&first->link);
        assert_false(pawl_list_is_linked(&first->link));
    }
    assert_true(pawl_list_is_empty(&head));
}

static void an_item_can_leave_from_the_middle_and_come_back_at_the_end(void **state)
{
    (void)state;
    struct pawl_list head;
    struct item items[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    pawl_list_init(&head);
    for (int i = 0; i < 3; i++) pawl_list_push_tail(&head, &items[i].link);
    pawl_list_remove(&items[1].link);
    pawl_list_push_tail(&head, &items[1].link);

    static const int expected[] = { 0, 2, 1 };
    int at = 0;
    for (struct pawl_list *link = head.next; link != &head; link = link->next) {
        assert_int_equal(PAWL_CONTAINER_OF(link, struct item, link)->number, expected[at++]);
    }
    assert_int_equal(at, 3);
    at = 3;
    for (struct pawl_list *link = head.prev; link != &head; link = link->prev) {
        assert_int_equal(PAWL_CONTAINER_OF(link, struct item, link)->number, expected[--at]);
    }
    assert_int_equal(at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_the_order_they_came),
        cmocka_unit_test(an_item_can_leave_from_the_middle_and_come_back_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
