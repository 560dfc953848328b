// The test app on Microsoft's durabletask-client for Java. See test_sdks.py for what it must do.
//
//     App worker | client | start PREFIX COUNT | wait PREFIX COUNT
import com.fasterxml.jackson.databind.ObjectMapper;
import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import com.microsoft.durabletask.DurableTaskGrpcWorkerBuilder;
import com.microsoft.durabletask.NewOrchestrationInstanceOptions;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationStatusQuery;
import com.microsoft.durabletask.RetryPolicy;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskActivity;
import com.microsoft.durabletask.TaskActivityFactory;
import com.microsoft.durabletask.TaskCanceledException;
import com.microsoft.durabletask.TaskOptions;
import com.microsoft.durabletask.TaskOrchestration;
import com.microsoft.durabletask.TaskOrchestrationContext;
import com.microsoft.durabletask.TaskOrchestrationFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

public class App {
    static final int PORT = Integer.parseInt(System.getenv("SDK_PORT"));
    static final Duration LONG = Duration.ofSeconds(180);
    static final AtomicInteger attempts = new AtomicInteger();

    static Integer plus(TaskOrchestrationContext ctx, int number) {
        return ctx.callActivity("plus", number, Integer.class).await();
    }

    static void chain(TaskOrchestrationContext ctx) {
        int number = 0;
        for (int i = ctx.getInput(Integer.class); i > 0; i--) number = plus(ctx, number);
        ctx.complete(number);
    }

    static void fanOut(TaskOrchestrationContext ctx) {
        List<Task<Integer>> tasks = new ArrayList<>();
        int count = ctx.getInput(Integer.class);
        for (int i = 0; i < count; i++) tasks.add(ctx.callActivity("plus", i, Integer.class));
        ctx.complete(ctx.allOf(tasks).await().stream().mapToInt(Integer::intValue).sum());
    }

    static void timer(TaskOrchestrationContext ctx) {
        Instant before = ctx.getCurrentInstant();
        ctx.createTimer(Duration.ofMillis(200)).await();
        ctx.setCustomStatus("slept");
        ctx.complete(!ctx.getCurrentInstant().isBefore(before.plusMillis(200)));
    }

    static void events(TaskOrchestrationContext ctx) {
        Object first = ctx.waitForExternalEvent("a", Object.class).await();
        Object second = ctx.waitForExternalEvent("b", Object.class).await();
        ctx.complete(Arrays.asList(first, second));
    }

    static void eventTimeout(TaskOrchestrationContext ctx) {
        try {
            ctx.waitForExternalEvent("never", Duration.ofMillis(100)).await();
            ctx.complete("event");
        } catch (TaskCanceledException e) {
            ctx.complete("timed out");
        }
    }

    static void child(TaskOrchestrationContext ctx) {
        ctx.complete(plus(ctx, ctx.getInput(Integer.class)) * 10);
    }

    static void parent(TaskOrchestrationContext ctx) {
        ctx.complete(
                ctx.callSubOrchestrator("child", ctx.getInput(Integer.class), Integer.class).await());
    }

    static void fail(TaskOrchestrationContext ctx) {
        ctx.callActivity("boom", 1).await();
    }

    static void failChild(TaskOrchestrationContext ctx) {
        ctx.callSubOrchestrator("fail", 1, Void.class).await();
    }

    static void retry(TaskOrchestrationContext ctx) {
        TaskOptions options = new TaskOptions(new RetryPolicy(5, Duration.ofMillis(50)));
        ctx.complete(ctx.callActivity("flaky", 1, options, Integer.class).await());
    }

    static void again(TaskOrchestrationContext ctx) {
        int number = ctx.getInput(Integer.class);
        ctx.createTimer(Duration.ofMillis(5)).await();
        if (number < 5)
            ctx.continueAsNew(number + 1);
        else
            ctx.complete(number);
    }

    static void empty(TaskOrchestrationContext ctx) {
        Object result = ctx.callActivity("nothing", null, Object.class).await();
        ctx.complete(Arrays.asList(ctx.getInput(Object.class), result));
    }

    static TaskOrchestrationFactory workflow(String name, TaskOrchestration body) {
        return new TaskOrchestrationFactory() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public TaskOrchestration create() {
                return body;
            }
        };
    }

    static TaskActivityFactory activity(String name, TaskActivity body) {
        return new TaskActivityFactory() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public TaskActivity create() {
                return body;
            }
        };
    }

    static void runWorker() {
        new DurableTaskGrpcWorkerBuilder()
                .port(PORT)
                .addOrchestration(workflow("chain", App::chain))
                .addOrchestration(workflow("fan_out", App::fanOut))
                .addOrchestration(workflow("timer", App::timer))
                .addOrchestration(workflow("events", App::events))
                .addOrchestration(workflow("event_timeout", App::eventTimeout))
                .addOrchestration(workflow("child", App::child))
                .addOrchestration(workflow("parent", App::parent))
                .addOrchestration(workflow("fail", App::fail))
                .addOrchestration(workflow("fail_child", App::failChild))
                .addOrchestration(workflow("retry", App::retry))
                .addOrchestration(workflow("again", App::again))
                .addOrchestration(workflow("empty", App::empty))
                .addActivity(activity("plus", ctx -> ctx.getInput(Integer.class) + 1))
                .addActivity(activity("boom", ctx -> { throw new RuntimeException("boom"); }))
                .addActivity(activity("flaky", ctx -> {
                    if (attempts.incrementAndGet() < 3) throw new RuntimeException("not yet");
                    return attempts.get();
                }))
                .addActivity(activity("nothing", ctx -> null))
                .build()
                .startAndBlock();
    }

    /** This SDK shows what is absent as an empty text. */
    static String text(String value) {
        return value == null || value.isEmpty() ? null : value;
    }

    static void show(String name, OrchestrationMetadata state) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("name", name);
        line.put("status", state.getRuntimeStatus().name());
        line.put("output", text(state.getSerializedOutput()));
        line.put("custom", state.readCustomStatusAs(String.class));
        line.put("failure", state.getFailureDetails() == null
                ? null : text(state.getFailureDetails().getErrorMessage()));
        System.out.println(new ObjectMapper().writeValueAsString(line));
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static String simple(DurableTaskClient hub, String name, Object input) throws Exception {
        String id = hub.scheduleNewOrchestrationInstance(name, input);
        show(name, hub.waitForInstanceCompletion(id, LONG, true));
        return id;
    }

    static void runClient(DurableTaskClient hub) throws Exception {
        simple(hub, "chain", 5);
        simple(hub, "fan_out", 10);
        simple(hub, "timer", null);
        simple(hub, "event_timeout", null);
        simple(hub, "parent", 3);
        simple(hub, "fail", null);
        simple(hub, "fail_child", null);
        simple(hub, "retry", null);
        simple(hub, "again", 0);
        String last = simple(hub, "empty", null);

        String id = hub.scheduleNewOrchestrationInstance("events");
        hub.waitForInstanceStart(id, LONG);
        hub.raiseEvent(id, "a", 1);
        hub.suspendInstance(id, "a reason");
        show("suspended", hub.getInstanceMetadata(id, true));
        hub.raiseEvent(id, "b", Map.of("x", 2));
        hub.resumeInstance(id, "a reason");
        show("events", hub.waitForInstanceCompletion(id, LONG, true));

        id = hub.scheduleNewOrchestrationInstance("events");
        hub.waitForInstanceStart(id, LONG);
        hub.terminate(id, "bye");
        show("terminated", hub.waitForInstanceCompletion(id, LONG, true));
        check(hub.purgeInstance(id).getDeletedInstanceCount() == 1, "purged");
        check(!hub.getInstanceMetadata(id, true).isInstanceFound(), "gone");
        check(hub.purgeInstance(id).getDeletedInstanceCount() == 0, "purged once");

        int count = hub.queryInstances(new OrchestrationStatusQuery()).getOrchestrationState().size();
        check(count >= 11, "only " + count + " instances are listed");
        id = hub.restartInstance(last, true);
        show("again started", hub.waitForInstanceCompletion(id, LONG, true));
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("worker")) runWorker();
        try (DurableTaskClient hub = new DurableTaskGrpcClientBuilder().port(PORT).build()) {
            if (args[0].equals("client")) runClient(hub);
            int count = args.length > 2 ? Integer.parseInt(args[2]) : 0;
            for (int i = 0; i < count; i++) {
                String id = args[1] + "-" + i;
                if (args[0].equals("start"))
                    hub.scheduleNewOrchestrationInstance("chain",
                            new NewOrchestrationInstanceOptions().setInput(30).setInstanceId(id));
                else
                    show("chain", hub.waitForInstanceCompletion(id, LONG, true));
            }
        }
        System.exit(0);
    }
}
