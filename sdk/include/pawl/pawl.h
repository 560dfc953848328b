/* Pawl: durable workflows written as plain C functions.
 *
 *   workflow.h   what a workflow function may do: call activities, sleep, wait …
 *   activity.h   what an activity function sees
 *   worker.h     connect to the sidecar and run both
 *   client.h     start, query, signal and end workflows
 *   schedule.h   start workflows by the clock
 *   watch.h      be told of what happens to workflows
 *   testing.h    run workflows in memory; for tests, included by itself
 *
 * docs/SDK.md is the guide; sdk/examples has complete programs.
 */
#ifndef PAWL_PAWL_H
#define PAWL_PAWL_H

#include "pawl/activity.h"
#include "pawl/client.h"
#include "pawl/err.h"
#include "pawl/schedule.h"
#include "pawl/types.h"
#include "pawl/value.h"
#include "pawl/watch.h"
#include "pawl/worker.h"
#include "pawl/workflow.h"

#endif /* PAWL_PAWL_H */
