// The test app on Dapr's workflow SDK for Java. See test_sdks.py for what it must do.
//
//     App worker | client | start PREFIX COUNT | wait PREFIX COUNT
import com.fasterxml.jackson.databind.ObjectMapper;
import io.dapr.durabletask.Task;
import io.dapr.durabletask.TaskCanceledException;
import io.dapr.workflows.Workflow;
import io.dapr.workflows.WorkflowActivity;
import io.dapr.workflows.WorkflowActivityContext;
import io.dapr.workflows.WorkflowContext;
import io.dapr.workflows.WorkflowStub;
import io.dapr.workflows.WorkflowTaskOptions;
import io.dapr.workflows.WorkflowTaskRetryPolicy;
import io.dapr.workflows.client.DaprWorkflowClient;
import io.dapr.workflows.client.WorkflowState;
import io.dapr.workflows.runtime.WorkflowRuntimeBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

public class App {
    static final Duration LONG = Duration.ofSeconds(180);
    static final AtomicInteger attempts = new AtomicInteger();

    public static class Plus implements WorkflowActivity {
        @Override
        public Object run(WorkflowActivityContext ctx) {
            return ctx.getInput(Integer.class) + 1;
        }
    }

    public static class Boom implements WorkflowActivity {
        @Override
        public Object run(WorkflowActivityContext ctx) {
            throw new RuntimeException("boom");
        }
    }

    public static class Flaky implements WorkflowActivity {
        @Override
        public Object run(WorkflowActivityContext ctx) {
            if (attempts.incrementAndGet() < 3) throw new RuntimeException("not yet");
            return attempts.get();
        }
    }

    public static class Nothing implements WorkflowActivity {
        @Override
        public Object run(WorkflowActivityContext ctx) {
            return null;
        }
    }

    static Integer plus(WorkflowContext ctx, int number) {
        return ctx.callActivity("plus", number, Integer.class).await();
    }

    public static class Chain implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                int number = 0;
                for (int i = ctx.getInput(Integer.class); i > 0; i--) number = plus(ctx, number);
                ctx.complete(number);
            };
        }
    }

    public static class FanOut implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                List<Task<Integer>> tasks = new ArrayList<>();
                int count = ctx.getInput(Integer.class);
                for (int i = 0; i < count; i++)
                    tasks.add(ctx.callActivity("plus", i, Integer.class));
                ctx.complete(ctx.allOf(tasks).await().stream().mapToInt(Integer::intValue).sum());
            };
        }
    }

    public static class Timer implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                Instant before = ctx.getCurrentInstant();
                ctx.createTimer(Duration.ofMillis(200)).await();
                ctx.setCustomStatus("slept");
                ctx.complete(!ctx.getCurrentInstant().isBefore(before.plusMillis(200)));
            };
        }
    }

    public static class Events implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                Object first = ctx.waitForExternalEvent("a", Object.class).await();
                Object second = ctx.waitForExternalEvent("b", Object.class).await();
                ctx.complete(Arrays.asList(first, second));
            };
        }
    }

    public static class EventTimeout implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                try {
                    ctx.waitForExternalEvent("never", Duration.ofMillis(100)).await();
                    ctx.complete("event");
                } catch (TaskCanceledException e) {
                    ctx.complete("timed out");
                }
            };
        }
    }

    public static class FirstVersion implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> ctx.complete("1.0.0");
        }
    }

    public static class Versioned implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                plus(ctx, 1);
                ctx.complete(ctx.isPatched("a patch") ? "1.2.3" : "not patched");
            };
        }
    }

    public static class Child implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> ctx.complete(plus(ctx, ctx.getInput(Integer.class)) * 10);
        }
    }

    public static class Parent implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> ctx.complete(
                    ctx.callChildWorkflow("child", ctx.getInput(Integer.class), Integer.class).await());
        }
    }

    public static class Fail implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> ctx.callActivity("boom", 1).await();
        }
    }

    public static class FailChild implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> ctx.callChildWorkflow("fail", 1).await();
        }
    }

    public static class Retry implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                WorkflowTaskRetryPolicy policy = WorkflowTaskRetryPolicy.newBuilder()
                        .setMaxNumberOfAttempts(5)
                        .setFirstRetryInterval(Duration.ofMillis(50))
                        .build();
                WorkflowTaskOptions options = new WorkflowTaskOptions(policy);
                ctx.complete(ctx.callActivity("flaky", 1, options, Integer.class).await());
            };
        }
    }

    public static class Again implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                int number = ctx.getInput(Integer.class);
                ctx.createTimer(Duration.ofMillis(5)).await();
                if (number < 5)
                    ctx.continueAsNew(number + 1);
                else
                    ctx.complete(number);
            };
        }
    }

    public static class Empty implements Workflow {
        @Override
        public WorkflowStub create() {
            return ctx -> {
                Object result = ctx.callActivity("nothing", null, Object.class).await();
                ctx.complete(Arrays.asList(ctx.getInput(Object.class), result));
            };
        }
    }

    static void runWorker() {
        new WorkflowRuntimeBuilder()
                .registerWorkflow("chain", Chain.class)
                .registerWorkflow("fan_out", FanOut.class)
                .registerWorkflow("timer", Timer.class)
                .registerWorkflow("events", Events.class)
                .registerWorkflow("event_timeout", EventTimeout.class)
                .registerWorkflow("child", Child.class)
                .registerWorkflow("parent", Parent.class)
                .registerWorkflow("fail", Fail.class)
                .registerWorkflow("fail_child", FailChild.class)
                .registerWorkflow("retry", Retry.class)
                .registerWorkflow("again", Again.class)
                .registerWorkflow("empty", Empty.class)
                .registerWorkflow("versioned", FirstVersion.class, "1.0.0", false)
                .registerWorkflow("versioned", Versioned.class, "1.2.3", true)
                .registerActivity("plus", Plus.class)
                .registerActivity("boom", Boom.class)
                .registerActivity("flaky", Flaky.class)
                .registerActivity("nothing", Nothing.class)
                .build()
                .start();
    }

    /** This SDK shows what is absent as an empty text. */
    static String text(String value) {
        return value == null || value.isEmpty() ? null : value;
    }

    static void show(String name, WorkflowState state) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("name", name);
        line.put("status", state.getRuntimeStatus().name());
        line.put("output", text(state.getSerializedOutput()));
        line.put("custom", null); // this client does not read it
        line.put("failure", state.getFailureDetails() == null
                ? null : text(state.getFailureDetails().getErrorMessage()));
        System.out.println(new ObjectMapper().writeValueAsString(line));
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void simple(DaprWorkflowClient hub, String name, Object input) throws Exception {
        String id = hub.scheduleNewWorkflow(name, input);
        show(name, hub.waitForWorkflowCompletion(id, LONG, true));
    }

    static void runClient(DaprWorkflowClient hub) throws Exception {
        simple(hub, "chain", 5);
        simple(hub, "fan_out", 10);
        simple(hub, "timer", null);
        simple(hub, "event_timeout", null);
        simple(hub, "parent", 3);
        simple(hub, "fail", null);
        simple(hub, "fail_child", null);
        simple(hub, "retry", null);
        simple(hub, "again", 0);
        simple(hub, "empty", null);
        simple(hub, "versioned", null);

        String id = hub.scheduleNewWorkflow("events");
        hub.waitForWorkflowStart(id, LONG, false);
        hub.raiseEvent(id, "a", 1);
        hub.suspendWorkflow(id, "a reason");
        show("suspended", hub.getWorkflowState(id, true));
        hub.raiseEvent(id, "b", Map.of("x", 2));
        hub.resumeWorkflow(id, "a reason");
        show("events", hub.waitForWorkflowCompletion(id, LONG, true));

        id = hub.scheduleNewWorkflow("events");
        hub.terminateWorkflow(id, "bye");
        show("terminated", hub.waitForWorkflowCompletion(id, LONG, true));
        check(hub.purgeWorkflow(id), "purged");
        check(hub.getWorkflowState(id, true).getName().isEmpty(), "gone"); // never null
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("worker")) runWorker();
        try (DaprWorkflowClient hub = new DaprWorkflowClient()) {
            if (args[0].equals("client")) runClient(hub);
            int count = args.length > 2 ? Integer.parseInt(args[2]) : 0;
            for (int i = 0; i < count; i++) {
                String id = args[1] + "-" + i;
                if (args[0].equals("start"))
                    hub.scheduleNewWorkflow("chain", 30, id);
                else
                    show("chain", hub.waitForWorkflowCompletion(id, LONG, true));
            }
        }
        System.exit(0);
    }
}
