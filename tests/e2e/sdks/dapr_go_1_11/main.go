// The test app on Dapr's go-sdk 1.11. See test_sdks.py for what it must do.
//
//	app worker | client | start PREFIX COUNT | wait PREFIX COUNT
//
// This version of the SDK sends no completion tokens back, and has no retries and no
// custom status. A workflow's name is the name of its function.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/dapr/go-sdk/workflow"
)

func plus(ctx workflow.ActivityContext) (any, error) {
	value := 0
	err := ctx.GetInput(&value)
	return value + 1, err
}

func boom(workflow.ActivityContext) (any, error) { return nil, errors.New("boom") }

func nothing(workflow.ActivityContext) (any, error) { return nil, nil }

func callPlus(ctx *workflow.WorkflowContext, value *int) error {
	return ctx.CallActivity(plus, workflow.ActivityInput(*value)).Await(value)
}

func chain(ctx *workflow.WorkflowContext) (any, error) {
	steps, value := 0, 0
	err := ctx.GetInput(&steps)
	for i := 0; i < steps && err == nil; i++ {
		err = callPlus(ctx, &value)
	}
	return value, err
}

func fanOut(ctx *workflow.WorkflowContext) (any, error) {
	count := 0
	if err := ctx.GetInput(&count); err != nil {
		return nil, err
	}
	tasks := workflow.NewTaskSlice(count)
	for i := range tasks {
		tasks[i] = ctx.CallActivity(plus, workflow.ActivityInput(i))
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
	before := ctx.CurrentUTCDateTime()
	err := ctx.CreateTimer(200 * time.Millisecond).Await(nil)
	return ctx.CurrentUTCDateTime().Sub(before) >= 200*time.Millisecond, err
}

func events(ctx *workflow.WorkflowContext) (any, error) {
	var first, second any
	if err := ctx.WaitForExternalEvent("a", time.Minute).Await(&first); err != nil {
		return nil, err
	}
	err := ctx.WaitForExternalEvent("b", time.Minute).Await(&second)
	return []any{first, second}, err
}

func eventTimeout(ctx *workflow.WorkflowContext) (any, error) {
	if ctx.WaitForExternalEvent("never", 100*time.Millisecond).Await(nil) != nil {
		return "timed out", nil
	}
	return "event", nil
}

func child(ctx *workflow.WorkflowContext) (any, error) {
	value := 0
	err := ctx.GetInput(&value)
	if err == nil {
		err = callPlus(ctx, &value)
	}
	return value * 10, err
}

func parent(ctx *workflow.WorkflowContext) (any, error) {
	value := 0
	err := ctx.GetInput(&value)
	if err == nil {
		err = ctx.CallChildWorkflow(child, workflow.ChildWorkflowInput(value)).Await(&value)
	}
	return value, err
}

func fail(ctx *workflow.WorkflowContext) (any, error) {
	return nil, ctx.CallActivity(boom, workflow.ActivityInput(1)).Await(nil)
}

func failChild(ctx *workflow.WorkflowContext) (any, error) {
	return nil, ctx.CallChildWorkflow(fail, workflow.ChildWorkflowInput(1)).Await(nil)
}

func again(ctx *workflow.WorkflowContext) (any, error) {
	value := 0
	err := ctx.GetInput(&value)
	if err == nil {
		err = ctx.CreateTimer(5 * time.Millisecond).Await(nil)
	}
	if err == nil && value < 5 {
		ctx.ContinueAsNew(value+1, false)
		return nil, nil
	}
	return value, err
}

func empty(ctx *workflow.WorkflowContext) (any, error) {
	var given, result any
	err := ctx.CallActivity(nothing).Await(&result)
	return []any{given, result}, err
}

func runWorker() {
	worker, err := workflow.NewWorker()
	check(err)
	for _, one := range []workflow.Workflow{chain, fanOut, timer, events, eventTimeout, child,
		parent, fail, failChild, again, empty} {
		check(worker.RegisterWorkflow(one))
	}
	for _, one := range []workflow.Activity{plus, boom, nothing} {
		check(worker.RegisterActivity(one))
	}
	check(worker.Start())
	select {}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func show(name string, state *workflow.Metadata) {
	line := map[string]any{
		"name":    name,
		"status":  state.RuntimeStatus.String(),
		"output":  text(state.SerializedOutput),
		"custom":  text(state.SerializedCustomStatus),
		"failure": nil,
	}
	if state.FailureDetails != nil {
		line["failure"] = state.FailureDetails.Message
	}
	encoded, err := json.Marshal(line)
	check(err)
	fmt.Println(string(encoded))
}

func runClient(ctx context.Context, hub *workflow.Client) {
	finish := func(name, id string) {
		state, err := hub.WaitForWorkflowCompletion(ctx, id, workflow.WithFetchPayloads(true))
		check(err)
		show(name, state)
	}
	for _, one := range []struct {
		name, function string
		input          any
	}{
		{"chain", "chain", 5}, {"fan_out", "fanOut", 10}, {"timer", "timer", nil},
		{"event_timeout", "eventTimeout", nil}, {"parent", "parent", 3}, {"fail", "fail", nil},
		{"fail_child", "failChild", nil}, {"again", "again", 0}, {"empty", "empty", nil},
	} {
		id, err := hub.ScheduleNewWorkflow(ctx, one.function, workflow.WithInput(one.input))
		check(err)
		finish(one.name, id)
	}

	id, err := hub.ScheduleNewWorkflow(ctx, "events")
	check(err)
	_, err = hub.WaitForWorkflowStart(ctx, id)
	check(err)
	check(hub.RaiseEvent(ctx, id, "a", workflow.WithEventPayload(1)))
	check(hub.SuspendWorkflow(ctx, id, "a reason"))
	state, err := hub.FetchWorkflowMetadata(ctx, id, workflow.WithFetchPayloads(true))
	check(err)
	show("suspended", state)
	check(hub.RaiseEvent(ctx, id, "b", workflow.WithEventPayload(map[string]int{"x": 2})))
	check(hub.ResumeWorkflow(ctx, id, "a reason"))
	finish("events", id)

	id, err = hub.ScheduleNewWorkflow(ctx, "events")
	check(err)
	check(hub.TerminateWorkflow(ctx, id, workflow.WithOutput("bye")))
	finish("terminated", id)
	check(hub.PurgeWorkflow(ctx, id))
	if _, err := hub.FetchWorkflowMetadata(ctx, id); err == nil {
		log.Fatal("an instance was read after it had been purged")
	}
}

// The same, with the calls of Dapr's own API that this SDK's client has.
func runDaprClient(ctx context.Context) {
	client, err := dapr.NewClient()
	check(err)
	started, err := client.StartWorkflowBeta1(ctx, &dapr.StartWorkflowRequest{
		WorkflowComponent: "dapr", WorkflowName: "events"})
	check(err)
	id := started.InstanceID
	check(client.RaiseEventWorkflowBeta1(ctx, &dapr.RaiseEventWorkflowRequest{
		InstanceID: id, WorkflowComponent: "dapr", EventName: "a", EventData: 1}))
	check(client.PauseWorkflowBeta1(ctx, &dapr.PauseWorkflowRequest{
		InstanceID: id, WorkflowComponent: "dapr"}))
	expect := func(status string) *dapr.GetWorkflowResponse {
		for {
			state, err := client.GetWorkflowBeta1(ctx, &dapr.GetWorkflowRequest{
				InstanceID: id, WorkflowComponent: "dapr"})
			check(err)
			if state.RuntimeStatus == status {
				return state
			}
			time.Sleep(20 * time.Millisecond) // there is no call that waits
		}
	}
	expect("SUSPENDED")
	check(client.ResumeWorkflowBeta1(ctx, &dapr.ResumeWorkflowRequest{
		InstanceID: id, WorkflowComponent: "dapr"}))
	check(client.RaiseEventWorkflowBeta1(ctx, &dapr.RaiseEventWorkflowRequest{
		InstanceID: id, WorkflowComponent: "dapr", EventName: "b", EventData: 2}))
	if output := expect("COMPLETED").Properties["dapr.workflow.output"]; output != "[1,2]" {
		log.Fatalf("the output is %s", output)
	}
	check(client.PurgeWorkflowBeta1(ctx, &dapr.PurgeWorkflowRequest{
		InstanceID: id, WorkflowComponent: "dapr"}))
}

func main() {
	log.SetOutput(os.Stderr)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if os.Args[1] == "worker" {
		runWorker()
	}
	hub, err := workflow.NewClient()
	check(err)
	if os.Args[1] == "client" {
		runClient(ctx, hub)
		runDaprClient(ctx)
		return
	}
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	for i := 0; i < count; i++ {
		id := fmt.Sprintf("%s-%d", os.Args[2], i)
		if os.Args[1] == "start" {
			_, err = hub.ScheduleNewWorkflow(ctx, "chain", workflow.WithInput(30),
				workflow.WithInstanceID(id))
			check(err)
			continue
		}
		state, err := hub.WaitForWorkflowCompletion(ctx, id, workflow.WithFetchPayloads(true))
		check(err)
		show("chain", state)
	}
}
