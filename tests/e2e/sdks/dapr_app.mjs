// The test app on Dapr's JavaScript SDK. See test_sdks.py for what it must do.
//
//     dapr_app.mjs worker | client | start PREFIX COUNT | wait PREFIX COUNT
import { createRequire } from "node:module";

const require = createRequire(process.env.SDK_FOLDER + "/");
const dapr = require("@dapr/dapr");

const options = { daprHost: "127.0.0.1", daprPort: process.env.DAPR_GRPC_PORT };
const LONG = 180;
let attempts = 0;

const activities = {
  // This SDK sends no input where it is 0.
  plus: async (_, number) => (number ?? 0) + 1,
  boom: async () => {
    throw new Error("boom");
  },
  flaky: async () => {
    attempts += 1;
    if (attempts < 3) throw new Error("not yet");
    return attempts;
  },
  nothing: async () => undefined,
};

const workflows = {
  chain: async function* (ctx, steps) {
    let number = 0;
    for (let i = 0; i < steps; i++) number = yield ctx.callActivity("plus", number);
    return number;
  },
  fan_out: async function* (ctx, count) {
    const tasks = [];
    for (let i = 0; i < count; i++) tasks.push(ctx.callActivity("plus", i));
    const results = yield ctx.whenAll(tasks);
    return results.reduce((sum, number) => sum + number, 0);
  },
  timer: async function* (ctx) {
    const before = ctx.getCurrentUtcDateTime();
    yield ctx.createTimer(0.2);
    ctx.setCustomStatus("slept");
    return ctx.getCurrentUtcDateTime() - before >= 200;
  },
  events: async function* (ctx) {
    const first = yield ctx.waitForExternalEvent("a");
    const second = yield ctx.waitForExternalEvent("b");
    return [first, second];
  },
  event_timeout: async function* (ctx) {
    const event = ctx.waitForExternalEvent("never");
    const winner = yield ctx.whenAny([event, ctx.createTimer(0.1)]);
    return winner === event ? "event" : "timed out";
  },
  child: async function* (ctx, number) {
    return 10 * (yield ctx.callActivity("plus", number));
  },
  parent: async function* (ctx, number) {
    return yield ctx.callChildWorkflow("child", number);
  },
  fail: async function* (ctx) {
    return yield ctx.callActivity("boom", 1);
  },
  fail_child: async function* (ctx) {
    return yield ctx.callChildWorkflow("fail", 1);
  },
  again: async function* (ctx, number) {
    yield ctx.createTimer(0.005);
    if (number < 5) {
      ctx.continueAsNew(number + 1, true);
      return;
    }
    return number;
  },
  empty: async function* (ctx, given) {
    const result = yield ctx.callActivity("nothing");
    return [given ?? null, result ?? null];
  },
};

async function runWorker() {
  const runtime = new dapr.WorkflowRuntime(options);
  for (const [name, workflow] of Object.entries(workflows)) runtime.registerWorkflowWithName(name, workflow);
  for (const [name, activity] of Object.entries(activities)) runtime.registerActivityWithName(name, activity);
  await runtime.start();
  await new Promise(() => setInterval(() => {}, 1000));
}

function show(name, state) {
  console.log(
    JSON.stringify({
      name,
      status: dapr.WorkflowRuntimeStatus[state.runtimeStatus],
      output: state.serializedOutput ?? null,
      custom: state.customStatus || null,
      failure: state.workflowFailureDetails?.getErrorMessage() ?? null,
    }),
  );
}

async function runClient(hub) {
  const finish = (id) => hub.waitForWorkflowCompletion(id, true, LONG);
  for (const [name, input] of [
    ["chain", 5], ["fan_out", 10], ["timer"], ["event_timeout"], ["parent", 3], ["fail"],
    ["fail_child"], ["again", 0], ["empty"],
  ])
    show(name, await finish(await hub.scheduleNewWorkflow(name, input)));

  let id = await hub.scheduleNewWorkflow("events");
  await hub.waitForWorkflowStart(id, false, LONG);
  await hub.raiseEvent(id, "a", 1);
  await hub.suspendWorkflow(id);
  show("suspended", await hub.getWorkflowState(id, true));
  await hub.raiseEvent(id, "b", { x: 2 });
  await hub.resumeWorkflow(id);
  show("events", await finish(id));

  id = await hub.scheduleNewWorkflow("events");
  await hub.terminateWorkflow(id, "bye");
  show("terminated", await hub.getWorkflowState(id, true));
  await hub.purgeWorkflow(id);
  if (await hub.getWorkflowState(id, true)) throw new Error("purged, and still there");
}

const [mode, prefix, count] = process.argv.slice(2);
if (mode === "worker") await runWorker();
const hub = new dapr.DaprWorkflowClient(options);
if (mode === "client") await runClient(hub);
for (let i = 0; i < Number(count ?? 0); i++) {
  if (mode === "start") await hub.scheduleNewWorkflow("chain", 30, `${prefix}-${i}`);
  else show("chain", await hub.waitForWorkflowCompletion(`${prefix}-${i}`, true, LONG));
}
await hub.stop();
