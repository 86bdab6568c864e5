#!/usr/bin/env python3
"""Submits a job and follows its events, over as many connections as it takes. Needs nothing but Python 3.9 or newer.

    LEGWORK_SERVER=http://127.0.0.1:7070 LEGWORK_API_KEY=… python3 examples/python/follow.py ['What to do']

LEGWORK_API_KEY is needed only where the server has API keys. Prints each event as a line of JSON; exits with 0 only where
the job succeeded.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

BASE = os.environ.get("LEGWORK_SERVER", "http://127.0.0.1:7070").rstrip("/")
KEY = os.environ.get("LEGWORK_API_KEY")
MOST_FAILURES = 10
# The server says something every 15 seconds, if only that the stream is still open.
SILENCE_SECONDS = 60


def call(path, headers, body=None):
    authorization = {"authorization": f"Bearer {KEY}"} if KEY else {}
    request = urllib.request.Request(BASE + path, data=body, headers={**headers, **authorization})
    return urllib.request.urlopen(request, timeout=SILENCE_SECONDS)


def pause_after(error, failures):
    """Waits before the next try; gives up where the server said no, or has failed too often in a row."""
    refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
    if refused or failures >= MOST_FAILURES:
        detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
        sys.exit(f"{error} {detail}")
    time.sleep(min(0.1 * 2**failures, 5))


def submit(prompt):
    # The same key goes with every try, so that there is one job even where an answer was lost.
    headers = {"content-type": "application/json", "idempotency-key": str(uuid.uuid4())}
    body = json.dumps({"prompt": prompt}).encode()
    failures = 0
    while True:
        try:
            with call("/v1/executions", headers, body) as response:
                return json.load(response)["id"]
        except (OSError, http.client.HTTPException) as error:
            failures += 1
            pause_after(error, failures)


def events_of(response):
    """Server-sent events. Each ends with an empty line; one that was cut off is not given, and comes again."""
    data = None
    for line in response:
        line = line.decode().rstrip("\r\n")
        if line.startswith("data: "):
            data = line[len("data: ") :]
        elif line == "" and data is not None:
            yield json.loads(data)
            data = None


def follow(execution):
    """Each event of the execution, once and in order, up to the last one."""
    seq, failures = 0, 0
    while True:
        headers = {"accept": "text/event-stream", "last-event-id": str(seq)}
        try:
            with call(f"/v1/executions/{execution}/events", headers) as response:
                for event in events_of(response):
                    seq, failures = event["seq"], 0
                    yield event
                    if event["kind"] == "finished":
                        return
            raise ConnectionError(f"the stream of {execution} ended early")
        except (OSError, http.client.HTTPException) as error:
            failures += 1
            pause_after(error, failures)


def main():
    prompt = sys.argv[1] if len(sys.argv) > 1 else "Write a haiku about queues to haiku.txt"
    for event in follow(submit(prompt)):
        print(json.dumps(event), flush=True)
    sys.exit(0 if event["data"]["outcome"]["state"] == "succeeded" else 1)


if __name__ == "__main__":
    main()
