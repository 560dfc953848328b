"""Cross-app: the app "pricing", with Dapr's workflow SDK for Python (pip install dapr).

cross_app.c beside this file is the other app, "shop". This one offers it the activity
`price`, and its workflow `restock` calls the activity `reserve` there.

    DAPR_GRPC_PORT=50001 python3 cross_app.py
"""

import threading

import dapr.ext.workflow as wf

runtime = wf.WorkflowRuntime()


@runtime.activity(name="price")
def price(_, item):
    return 10 * len(item)


@runtime.workflow(name="restock")
def restock(ctx, item):
    answer = yield ctx.call_activity("reserve", input=item, app_id="shop")
    return answer["reserved"]


if __name__ == "__main__":
    runtime.start()
    threading.Event().wait()
