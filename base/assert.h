/* Assertions that stay on in release builds.
 *
 * An assertion states what must hold if the program is right; it never handles
 * an operating error. The condition has no side effects. One fact per
 * assertion, so that a failure names the fact.
 */
#ifndef PAWL_BASE_ASSERT_H
#define PAWL_BASE_ASSERT_H

#define PAWL_ASSERT(cond) ((cond) ? (void)0 : pawl_assert_fail(#cond, __FILE__, __LINE__))

/* A place that a right program cannot reach; `why` is a string literal. */
#define PAWL_UNREACHABLE(why) pawl_assert_fail("unreachable: " why, __FILE__, __LINE__)

/* "If a holds then b must hold": PAWL_ASSERT(PAWL_IMPLIES(closed, count == 0)). */
#define PAWL_IMPLIES(a, b) (!(a) || (b))

_Noreturn void pawl_assert_fail(const char *cond, const char *file, int line);

#endif /* PAWL_BASE_ASSERT_H */
