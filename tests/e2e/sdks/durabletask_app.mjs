// The test app on Microsoft's durabletask-js. See test_sdks.py for what it must do.
//
//     durabletask_app.mjs worker | client | start PREFIX COUNT | wait PREFIX COUNT
import { createRequire } from "node:module";

const require = createRequire(process.env.SDK_FOLDER + "/");
const dt = require("@microsoft/durabletask-js");

const address = `127.0.0.1:${process.env.SDK_PORT}`;
const LONG = 180;
let attempts = 0;

const plus = async (_, number) => number + 1;
const boom = async () => {
  throw new Error("boom");
};
const flaky = async () => {
  attempts += 1;
  if (attempts < 3) throw new Error("not yet");
  return attempts;
};
const nothing = async () => undefined;

const workflows = {
  chain: async function* (ctx, steps) {
    let number = 0;
    for (let i = 0; i < steps; i++) number = yield ctx.callActivity("plus", number);
    return number;
  },
  fan_out: async function* (ctx, count) {
    const tasks = [];
    for (let i = 0; i < count; i++) tasks.push(ctx.callActivity("plus", i));
    const results = yield dt.whenAll(tasks);
    return results.reduce((sum, number) => sum + number, 0);
  },
  timer: async function* (ctx) {
    const before = ctx.currentUtcDateTime;
    yield ctx.createTimer(0.2);
    ctx.setCustomStatus("slept");
    return ctx.currentUtcDateTime - before >= 200;
  },
  events: async function* (ctx) {
    const first = yield ctx.waitForExternalEvent("a");
    const second = yield ctx.waitForExternalEvent("b");
    return [first, second];
  },
  event_timeout: async function* (ctx) {
    const event = ctx.waitForExternalEvent("never");
    const winner = yield dt.whenAny([event, ctx.createTimer(0.1)]);
    return winner === event ? "event" : "timed out";
  },
  child: async function* (ctx, number) {
    return 10 * (yield ctx.callActivity("plus", number));
  },
  parent: async function* (ctx, number) {
    return yield ctx.callSubOrchestrator("child", number);
  },
  fail: async function* (ctx) {
    return yield ctx.callActivity("boom", 1);
  },
  fail_child: async function* (ctx) {
    return yield ctx.callSubOrchestrator("fail", 1);
  },
  retry: async function* (ctx) {
    const retry = new dt.RetryPolicy({ firstRetryIntervalInMilliseconds: 50, maxNumberOfAttempts: 5 });
    return yield ctx.callActivity("flaky", 1, { retry });
  },
  again: async function* (ctx, number) {
    yield ctx.createTimer(0.005);
    if (number < 5) {
      ctx.continueAsNew(number + 1, true);
      return;
    }
    return number;
  },
  versioned: async function* (ctx) {
    return ctx.version;
  },
  empty: async function* (ctx, given) {
    const result = yield ctx.callActivity("nothing");
    return [given ?? null, result ?? null];
  },
};

async function runWorker() {
  const worker = new dt.TaskHubGrpcWorker({ hostAddress: address });
  for (const [name, workflow] of Object.entries(workflows)) worker.addNamedOrchestrator(name, workflow);
  for (const [name, activity] of Object.entries({ plus, boom, flaky, nothing }))
    worker.addNamedActivity(name, activity);
  await worker.start();
  await new Promise(() => setInterval(() => {}, 1000));
}

function show(name, state) {
  console.log(
    JSON.stringify({
      name,
      status: dt.OrchestrationStatus[state.runtimeStatus],
      output: state.serializedOutput ?? null,
      custom: state.serializedCustomStatus || null,
      failure: state.failureDetails?.message ?? null,
    }),
  );
}

async function runClient(hub) {
  const finish = (id) => hub.waitForOrchestrationCompletion(id, true, LONG);
  for (const [name, input] of [
    ["chain", 5], ["fan_out", 10], ["timer"], ["event_timeout"], ["parent", 3], ["fail"],
    ["fail_child"], ["retry"], ["again", 0], ["empty"],
  ])
    show(name, await finish(await hub.scheduleNewOrchestration(name, input)));
  const version = { version: "1.2.3" };
  show("versioned", await finish(await hub.scheduleNewOrchestration("versioned", null, version)));

  let id = await hub.scheduleNewOrchestration("events");
  await hub.waitForOrchestrationStart(id, false, LONG);
  await hub.raiseOrchestrationEvent(id, "a", 1);
  await hub.suspendOrchestration(id);
  show("suspended", await hub.getOrchestrationState(id, true));
  await hub.raiseOrchestrationEvent(id, "b", { x: 2 });
  await hub.resumeOrchestration(id);
  show("events", await finish(id));

  id = await hub.scheduleNewOrchestration("events");
  await hub.waitForOrchestrationStart(id, false, LONG);
  await hub.terminateOrchestration(id, "bye");
  show("terminated", await finish(id));
  const purged = await hub.purgeOrchestration(id);
  if (purged.deletedInstanceCount !== 1) throw new Error("not purged");
  if (await hub.getOrchestrationState(id, true)) throw new Error("purged, and still there");
}

const [mode, prefix, count] = process.argv.slice(2);
if (mode === "worker") await runWorker();
const hub = new dt.TaskHubGrpcClient({ hostAddress: address });
if (mode === "client") await runClient(hub);
for (let i = 0; i < Number(count ?? 0); i++) {
  if (mode === "start") await hub.scheduleNewOrchestration("chain", 30, `${prefix}-${i}`);
  else show("chain", await hub.waitForOrchestrationCompletion(`${prefix}-${i}`, true, LONG));
}
await hub.stop();
