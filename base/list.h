/* Intrusive doubly linked list. The link lives inside the item, so the list
 * allocates nothing and never fails; one link field per list an item can be on.
 * A link that is on no list has next == NULL.
 */
#ifndef PAWL_BASE_LIST_H
#define PAWL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct pawl_list {
    struct pawl_list *prev;
    struct pawl_list *next;
};

#define PAWL_CONTAINER_OF(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Each item of a list, in order: `item` is a `struct type *`, on the list by its `member`. The
 * items themselves must stay on the list meanwhile. */
#define PAWL_LIST_EACH(type, item, list, member)                                   \
    for (struct type *item = PAWL_CONTAINER_OF((list)->next, struct type, member); \
         &item->member != (list);                                                  \
         item = PAWL_CONTAINER_OF(item->member.next, struct type, member))

static inline void pawl_list_init(struct pawl_list *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool pawl_list_is_empty(const struct pawl_list *head)
{
    return head->next == head;
}

static inline bool pawl_list_is_linked(const struct pawl_list *link)
{
    return link->next != NULL;
}

static inline void pawl_list_push_tail(struct pawl_list *head, struct pawl_list *link)
{
    PAWL_ASSERT(!pawl_list_is_linked(link));
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void pawl_list_remove(struct pawl_list *link)
{
    PAWL_ASSERT(pawl_list_is_linked(link));
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = NULL;
    link->next = NULL;
}

#endif /* PAWL_BASE_LIST_H */
