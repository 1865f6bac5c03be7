"""A worker in Python: serves demo:python:upper and demo:python:fail until it is told to stop.

    python3 worker.py 127.0.0.1:50051

One stream does it all: the first frame says who is calling, the daemon pushes assignments, each outcome travels back
with the lease token of its assignment, and a frame at least every third of the lease keeps the worker alive.
"""

import json
import os
import queue
import signal
import socket
import sys
import uuid

import grpc
from reseolio.v1 import job_pb2, session_service_pb2, session_service_pb2_grpc


def upper(text):
    return text.upper()


def fail(reason):
    raise ValueError(reason)


FUNCTIONS = {"demo:python:upper": upper, "demo:python:fail": fail}


class Session:
    def __init__(self):
        self.outgoing = queue.Queue()
        self.renew_every = 5.0
        self.frame_id = 0

    def send(self, **fields):
        self.outgoing.put(fields)

    def frames(self):
        """What gRPC reads: the frames of the queue, and an empty one when there is nothing to say for too long."""
        while True:
            try:
                fields = self.outgoing.get(timeout=self.renew_every)
            except queue.Empty:
                fields = {}
            if fields is None:
                return
            self.frame_id += 1
            yield session_service_pb2.SessionRequest(frame_id=self.frame_id, **fields)


def hello():
    return session_service_pb2.Hello(
        worker_id=str(uuid.uuid4()),
        host=socket.gethostname(),
        pid=os.getpid(),
        function_names=list(FUNCTIONS),
        concurrency=1,
        client="examples/python",
    )


def execute(assignment):
    outcome = session_service_pb2.Outcome(job_id=assignment.job_id, lease_token=assignment.lease_token)
    try:
        result = FUNCTIONS[assignment.function_name](*json.loads(assignment.args or b"[]"))
        outcome.success = json.dumps(result).encode()
    except Exception as error:
        outcome.failure.error.CopyFrom(job_pb2.JobError(name=type(error).__name__, message=str(error)))
    return outcome


def main(address):
    session = Session()
    # A graceful stop: no more assignments, what has not started goes back, then the stream ends.
    signal.signal(signal.SIGTERM, lambda *_: (session.send(drain=True), session.outgoing.put(None)))
    stub = session_service_pb2_grpc.SessionServiceStub(grpc.insecure_channel(address))
    session.send(hello=hello())
    for response in stub.Session(session.frames()):
        if response.HasField("welcome"):
            session.renew_every = response.welcome.lease_ms / 3000
            print("ready", flush=True)
        for assignment in response.assignments:
            session.send(outcomes=[execute(assignment)])


if __name__ == "__main__":
    main(sys.argv[1])
