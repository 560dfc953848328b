// The test app on Microsoft's durabletask-go. See test_sdks.py for what it must do.
//
//	app worker | client | start PREFIX COUNT | wait PREFIX COUNT
//
// This SDK sends no completion tokens back.
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

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/backend"
	"github.com/microsoft/durabletask-go/client"
	"github.com/microsoft/durabletask-go/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

var attempts int

func number(ctx interface{ GetInput(any) error }) (value int, err error) {
	err = ctx.GetInput(&value)
	return value, err
}

func plus(ctx task.ActivityContext) (any, error) {
	value, err := number(ctx)
	return value + 1, err
}

func boom(task.ActivityContext) (any, error) { return nil, errors.New("boom") }

func flaky(task.ActivityContext) (any, error) {
	attempts++
	if attempts < 3 {
		return nil, errors.New("not yet")
	}
	return attempts, nil
}

func nothing(task.ActivityContext) (any, error) { return nil, nil }

func chain(ctx *task.OrchestrationContext) (any, error) {
	steps, err := number(ctx)
	value := 0
	for i := 0; i < steps && err == nil; i++ {
		err = ctx.CallActivity("plus", task.WithActivityInput(value)).Await(&value)
	}
	return value, err
}

func fanOut(ctx *task.OrchestrationContext) (any, error) {
	count, err := number(ctx)
	if err != nil {
		return nil, err
	}
	tasks := make([]task.Task, count)
	for i := range tasks {
		tasks[i] = ctx.CallActivity("plus", task.WithActivityInput(i))
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

func timer(ctx *task.OrchestrationContext) (any, error) {
	before := ctx.CurrentTimeUtc
	if err := ctx.CreateTimer(200 * time.Millisecond).Await(nil); err != nil {
		return nil, err
	}
	ctx.SetCustomStatus("slept")
	return ctx.CurrentTimeUtc.Sub(before) >= 200*time.Millisecond, nil
}

func events(ctx *task.OrchestrationContext) (any, error) {
	var first, second any
	if err := ctx.WaitForSingleEvent("a", time.Minute).Await(&first); err != nil {
		return nil, err
	}
	if err := ctx.WaitForSingleEvent("b", time.Minute).Await(&second); err != nil {
		return nil, err
	}
	return []any{first, second}, nil
}

func eventTimeout(ctx *task.OrchestrationContext) (any, error) {
	err := ctx.WaitForSingleEvent("never", 100*time.Millisecond).Await(nil)
	if errors.Is(err, task.ErrTaskCanceled) {
		return "timed out", nil
	}
	return "event", err
}

func child(ctx *task.OrchestrationContext) (any, error) {
	value, err := number(ctx)
	if err == nil {
		err = ctx.CallActivity("plus", task.WithActivityInput(value)).Await(&value)
	}
	return value * 10, err
}

func parent(ctx *task.OrchestrationContext) (any, error) {
	value, err := number(ctx)
	if err == nil {
		err = ctx.CallSubOrchestrator("child", task.WithSubOrchestratorInput(value)).Await(&value)
	}
	return value, err
}

func fail(ctx *task.OrchestrationContext) (any, error) {
	return nil, ctx.CallActivity("boom", task.WithActivityInput(1)).Await(nil)
}

func failChild(ctx *task.OrchestrationContext) (any, error) {
	return nil, ctx.CallSubOrchestrator("fail", task.WithSubOrchestratorInput(1)).Await(nil)
}

func retry(ctx *task.OrchestrationContext) (any, error) {
	var result int
	err := ctx.CallActivity("flaky", task.WithActivityRetryPolicy(&task.RetryPolicy{
		MaxAttempts: 5, InitialRetryInterval: 50 * time.Millisecond})).Await(&result)
	return result, err
}

func again(ctx *task.OrchestrationContext) (any, error) {
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

func empty(ctx *task.OrchestrationContext) (any, error) {
	var given, result any
	if err := ctx.CallActivity("nothing").Await(&result); err != nil {
		return nil, err
	}
	return []any{given, result}, nil
}

func runWorker(hub *client.TaskHubGrpcClient) error {
	registry := task.NewTaskRegistry()
	for name, workflow := range map[string]task.Orchestrator{
		"chain": chain, "fan_out": fanOut, "timer": timer, "events": events,
		"event_timeout": eventTimeout, "child": child, "parent": parent, "fail": fail,
		"fail_child": failChild, "retry": retry, "again": again, "empty": empty,
	} {
		if err := registry.AddOrchestratorN(name, workflow); err != nil {
			return err
		}
	}
	for name, activity := range map[string]task.Activity{
		"plus": plus, "boom": boom, "flaky": flaky, "nothing": nothing,
	} {
		if err := registry.AddActivityN(name, activity); err != nil {
			return err
		}
	}
	if err := hub.StartWorkItemListener(context.Background(), registry); err != nil {
		return err
	}
	select {}
}

func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func show(name string, state *api.OrchestrationMetadata) {
	line := map[string]any{
		"name":    name,
		"status":  state.RuntimeStatus.String(),
		"output":  text(state.SerializedOutput),
		"custom":  text(state.SerializedCustomStatus),
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

func runClient(ctx context.Context, hub *client.TaskHubGrpcClient) {
	finish := func(name string, id api.InstanceID) {
		state, err := hub.WaitForOrchestrationCompletion(ctx, id, api.WithFetchPayloads(true))
		check(err)
		show(name, state)
	}
	start := func(name string, options ...api.NewOrchestrationOptions) api.InstanceID {
		id, err := hub.ScheduleNewOrchestration(ctx, name, options...)
		check(err)
		return id
	}
	for _, one := range []struct {
		name  string
		input any
	}{
		{"chain", 5}, {"fan_out", 10}, {"timer", nil}, {"event_timeout", nil}, {"parent", 3},
		{"fail", nil}, {"fail_child", nil}, {"retry", nil}, {"again", 0}, {"empty", nil},
	} {
		if one.input == nil {
			finish(one.name, start(one.name))
		} else {
			finish(one.name, start(one.name, api.WithInput(one.input)))
		}
	}

	id := start("events")
	_, err := hub.WaitForOrchestrationStart(ctx, id)
	check(err)
	check(hub.RaiseEvent(ctx, id, "a", api.WithEventPayload(1)))
	check(hub.SuspendOrchestration(ctx, id, "a reason"))
	state, err := hub.FetchOrchestrationMetadata(ctx, id)
	check(err)
	show("suspended", state)
	check(hub.RaiseEvent(ctx, id, "b", api.WithEventPayload(map[string]int{"x": 2})))
	check(hub.ResumeOrchestration(ctx, id, "a reason"))
	finish("events", id)

	id = start("events")
	_, err = hub.WaitForOrchestrationStart(ctx, id)
	check(err)
	check(hub.TerminateOrchestration(ctx, id, api.WithOutput("bye")))
	finish("terminated", id)
	check(hub.PurgeOrchestrationState(ctx, id))
}

func main() {
	log.SetOutput(os.Stderr)
	connection, err := grpc.Dial("127.0.0.1:"+os.Getenv("SDK_PORT"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	hub := client.NewTaskHubGrpcClient(connection, backend.DefaultLogger())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	switch os.Args[1] {
	case "worker":
		check(runWorker(hub))
	case "client":
		runClient(ctx, hub)
	default:
		count, err := strconv.Atoi(os.Args[3])
		check(err)
		for i := 0; i < count; i++ {
			id := api.InstanceID(fmt.Sprintf("%s-%d", os.Args[2], i))
			if os.Args[1] == "start" {
				_, err = hub.ScheduleNewOrchestration(ctx, "chain", api.WithInput(30), api.WithInstanceID(id))
				check(err)
				continue
			}
			state, err := hub.WaitForOrchestrationCompletion(ctx, id, api.WithFetchPayloads(true))
			check(err)
			show("chain", state)
		}
	}
}
