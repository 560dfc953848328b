// The test app on Dapr's Go SDK 1.14: its client, and the workflow package of
// Dapr's durabletask-go, which the SDK is built on. See test_sdks.py for what it must do.
//
//	app worker | client | start PREFIX COUNT | wait PREFIX COUNT
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/dapr/durabletask-go/task"
	"github.com/dapr/durabletask-go/workflow"
	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var attempts int

func number(ctx interface{ GetInput(any) error }) (value int, err error) {
	err = ctx.GetInput(&value)
	return value, err
}

func plus(ctx workflow.ActivityContext) (any, error) {
	value, err := number(ctx)
	return value + 1, err
}

func boom(workflow.ActivityContext) (any, error) { return nil, errors.New("boom") }

func flaky(workflow.ActivityContext) (any, error) {
	attempts++
	if attempts < 3 {
		return nil, errors.New("not yet")
	}
	made := attempts
	attempts = 0
	return made, nil
}

func nothing(workflow.ActivityContext) (any, error) { return nil, nil }

func chain(ctx *workflow.WorkflowContext) (any, error) {
	steps, err := number(ctx)
	value := 0
	for i := 0; i < steps && err == nil; i++ {
		err = ctx.CallActivity("plus", workflow.WithActivityInput(value)).Await(&value)
	}
	return value, err
}

func fanOut(ctx *workflow.WorkflowContext) (any, error) {
	count, err := number(ctx)
	if err != nil {
		return nil, err
	}
	tasks := make([]workflow.Task, count)
	for i := range tasks {
		tasks[i] = ctx.CallActivity("plus", workflow.WithActivityInput(i))
	}
	sum := 0
	for _, one := range tasks {
		value := 0
		if err := one.Await(&value); err != nil {
			return nil, err
		}
		sum += value
	}
	return sum, nil
}

func timer(ctx *workflow.WorkflowContext) (any, error) {
	before := ctx.CurrentTimeUTC()
	if err := ctx.CreateTimer(200 * time.Millisecond).Await(nil); err != nil {
		return nil, err
	}
	ctx.SetCustomStatus("slept")
	return ctx.CurrentTimeUTC().Sub(before) >= 200*time.Millisecond, nil
}

func events(ctx *workflow.WorkflowContext) (any, error) {
	var first, second any
	if err := ctx.WaitForExternalEvent("a", time.Minute).Await(&first); err != nil {
		return nil, err
	}
	if err := ctx.WaitForExternalEvent("b", time.Minute).Await(&second); err != nil {
		return nil, err
	}
	return []any{first, second}, nil
}

func eventTimeout(ctx *workflow.WorkflowContext) (any, error) {
	err := ctx.WaitForExternalEvent("never", 100*time.Millisecond).Await(nil)
	if errors.Is(err, task.ErrTaskCanceled) {
		return "timed out", nil
	}
	return "event", err
}

func child(ctx *workflow.WorkflowContext) (any, error) {
	value, err := number(ctx)
	if err == nil {
		err = ctx.CallActivity("plus", workflow.WithActivityInput(value)).Await(&value)
	}
	return value * 10, err
}

func parent(ctx *workflow.WorkflowContext) (any, error) {
	value, err := number(ctx)
	if err == nil {
		err = ctx.CallChildWorkflow("child", workflow.WithChildWorkflowInput(value)).Await(&value)
	}
	return value, err
}

func fail(ctx *workflow.WorkflowContext) (any, error) {
	return nil, ctx.CallActivity("boom", workflow.WithActivityInput(1)).Await(nil)
}

func failChild(ctx *workflow.WorkflowContext) (any, error) {
	return nil, ctx.CallChildWorkflow("fail", workflow.WithChildWorkflowInput(1)).Await(nil)
}

func retry(ctx *workflow.WorkflowContext) (any, error) {
	var result int
	err := ctx.CallActivity("flaky", workflow.WithActivityRetryPolicy(&workflow.RetryPolicy{
		MaxAttempts: 5, InitialRetryInterval: 50 * time.Millisecond})).Await(&result)
	return result, err
}

func retryChild(ctx *workflow.WorkflowContext) (any, error) {
	var result int
	err := ctx.CallChildWorkflow("flaky_child", workflow.WithChildWorkflowRetryPolicy(&workflow.RetryPolicy{
		MaxAttempts: 5, InitialRetryInterval: 50 * time.Millisecond})).Await(&result)
	return result, err
}

func flakyChild(ctx *workflow.WorkflowContext) (any, error) {
	var result int
	err := ctx.CallActivity("flaky").Await(&result)
	return result, err
}

func again(ctx *workflow.WorkflowContext) (any, error) {
	value, err := number(ctx)
	if err == nil {
		err = ctx.CreateTimer(5 * time.Millisecond).Await(nil)
	}
	if err == nil && value < 5 {
		ctx.ContinueAsNew(value + 1)
		return nil, nil
	}
	return value, err
}

func empty(ctx *workflow.WorkflowContext) (any, error) {
	var given, result any
	if err := ctx.CallActivity("nothing").Await(&result); err != nil {
		return nil, err
	}
	return []any{given, result}, nil
}

func versionedFirst(*workflow.WorkflowContext) (any, error) { return "1.0.0", nil }

func versioned(ctx *workflow.WorkflowContext) (any, error) {
	err := ctx.CallActivity("plus", workflow.WithActivityInput(1)).Await(nil)
	if err == nil && ctx.IsPatched("a patch") {
		return "1.2.3", nil
	}
	return "not patched", err
}

func runWorker(client *workflow.Client) error {
	registry := workflow.NewRegistry()
	for name, function := range map[string]workflow.Workflow{
		"chain": chain, "fan_out": fanOut, "timer": timer, "events": events,
		"event_timeout": eventTimeout, "child": child, "parent": parent, "fail": fail,
		"fail_child": failChild, "retry": retry,
		"retry_child": retryChild, "flaky_child": flakyChild, "again": again, "empty": empty,
	} {
		if err := registry.AddWorkflowN(name, function); err != nil {
			return err
		}
	}
	for name, activity := range map[string]workflow.Activity{
		"plus": plus, "boom": boom, "flaky": flaky, "nothing": nothing,
	} {
		if err := registry.AddActivityN(name, activity); err != nil {
			return err
		}
	}
	if err := registry.AddVersionedWorkflowN("versioned", "1.0.0", false, versionedFirst); err != nil {
		return err
	}
	if err := registry.AddVersionedWorkflowN("versioned", "1.2.3", true, versioned); err != nil {
		return err
	}
	if err := client.StartWorker(context.Background(), registry); err != nil {
		return err
	}
	select {}
}

func text(value *wrapperspb.StringValue) *string {
	if value == nil {
		return nil
	}
	return &value.Value
}

func show(name string, state *workflow.WorkflowMetadata) {
	line := map[string]any{
		"name":    name,
		"status":  state.String(),
		"output":  text(state.Output),
		"custom":  text(state.CustomStatus),
		"failure": nil,
	}
	if state.FailureDetails != nil {
		line["failure"] = state.FailureDetails.ErrorMessage
	}
	encoded, _ := json.Marshal(line)
	fmt.Println(string(encoded))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func runClient(ctx context.Context, client *workflow.Client) {
	finish := func(name string, id string) {
		state, err := client.WaitForWorkflowCompletion(ctx, id, workflow.WithFetchPayloads(true))
		check(err)
		show(name, state)
	}
	start := func(name string, options ...workflow.NewWorkflowOptions) string {
		id, err := client.ScheduleWorkflow(ctx, name, options...)
		check(err)
		return id
	}
	for _, one := range []struct {
		name  string
		input any
	}{
		{"chain", 5}, {"fan_out", 10}, {"timer", nil}, {"event_timeout", nil}, {"parent", 3},
		{"fail", nil}, {"fail_child", nil}, {"retry", nil}, {"retry_child", nil},
		{"again", 0}, {"empty", nil}, {"versioned", nil},
	} {
		if one.input == nil {
			finish(one.name, start(one.name))
		} else {
			finish(one.name, start(one.name, workflow.WithInput(one.input)))
		}
	}

	id := start("events")
	_, err := client.WaitForWorkflowStart(ctx, id)
	check(err)
	check(client.RaiseEvent(ctx, id, "a", workflow.WithEventPayload(1)))
	check(client.SuspendWorkflow(ctx, id, "a reason"))
	state, err := client.FetchWorkflowMetadata(ctx, id)
	check(err)
	show("suspended", state)
	check(client.RaiseEvent(ctx, id, "b", workflow.WithEventPayload(map[string]int{"x": 2})))
	check(client.ResumeWorkflow(ctx, id, "a reason"))
	finish("events", id)

	// What only Dapr's clients can ask.
	ids, err := client.ListInstanceIDs(ctx)
	check(err)
	history, err := client.GetInstanceHistory(ctx, id)
	check(err)
	if !slices.Contains(ids.InstanceIds, id) || len(history.Events) < 6 {
		log.Fatalf("%s is not listed, or has a short history: %v", id, history.Events)
	}
	source := start("parent", workflow.WithInput(3))
	_, err = client.WaitForWorkflowCompletion(ctx, source)
	check(err)
	rerun, err := client.RerunWorkflowFromEvent(ctx, source, 0)
	check(err)
	state, err = client.WaitForWorkflowCompletion(ctx, rerun, workflow.WithFetchPayloads(true))
	check(err)
	if state.Output.GetValue() != "40" {
		log.Fatalf("run again, parent gives %v", state)
	}

	id = start("events")
	_, err = client.WaitForWorkflowStart(ctx, id)
	check(err)
	check(client.TerminateWorkflow(ctx, id, workflow.WithOutput("bye")))
	finish("terminated", id)
	check(client.PurgeWorkflowState(ctx, id))
}

func main() {
	log.SetOutput(os.Stderr)
	connected, err := dapr.NewClientWithPort(os.Getenv("SDK_PORT"))
	check(err)
	client := workflow.NewClient(connected.GrpcClientConn())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	switch os.Args[1] {
	case "worker":
		check(runWorker(client))
	case "client":
		runClient(ctx, client)
	default:
		count, err := strconv.Atoi(os.Args[3])
		check(err)
		for i := 0; i < count; i++ {
			id := fmt.Sprintf("%s-%d", os.Args[2], i)
			if os.Args[1] == "start" {
				_, err = client.ScheduleWorkflow(ctx, "chain", workflow.WithInput(30), workflow.WithInstanceID(id))
				check(err)
				continue
			}
			state, err := client.WaitForWorkflowCompletion(ctx, id, workflow.WithFetchPayloads(true))
			check(err)
			show("chain", state)
		}
	}
}
