#include "base/version.h"

#include "base/bytes.h"

/* The next part, which is taken off the front of *rest. */
static struct pawl_bytes part_next(struct pawl_bytes *rest)
{
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '.') size++;
    struct pawl_bytes part = pawl_bytes_make(rest->data, size);
    size_t taken = size < rest->size ? size + 1 : size;
    *rest = pawl_bytes_make(rest->data + taken, rest->size - taken);
    return part;
}

static bool part_is_number(struct pawl_bytes part)
{
    for (size_t i = 0; i < part.size; i++)
        if (part.data[i] < '0' || part.data[i] > '9') return false;
    return part.size > 0;
}

static struct pawl_bytes part_without_zeros(struct pawl_bytes part)
{
    size_t zeros = 0;
    while (zeros + 1 < part.size && part.data[zeros] == '0') zeros++;
    return pawl_bytes_make(part.data + zeros, part.size - zeros);
}

/* Of any length: more digits is more. */
static int part_compare_numbers(struct pawl_bytes a, struct pawl_bytes b)
{
    a = part_without_zeros(a);
    b = part_without_zeros(b);
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    return pawl_bytes_compare(a, b);
}

static int part_compare(struct pawl_bytes a, struct pawl_bytes b)
{
    bool a_is_number = part_is_number(a), b_is_number = part_is_number(b);
    if (a_is_number && b_is_number) return part_compare_numbers(a, b);
    if (a_is_number != b_is_number) return a_is_number ? -1 : 1;
    return pawl_bytes_compare(a, b);
}

int pawl_version_compare(struct pawl_bytes a, struct pawl_bytes b)
{
    while (a.size > 0 && b.size > 0) {
        int order = part_compare(part_next(&a), part_next(&b));
        if (order != 0) return order;
    }
    if (a.size == b.size) return 0;
    return a.size == 0 ? -1 : 1;
}
