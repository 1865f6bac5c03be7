"""Calls a durable function from Python and prints its result.

    python3 enqueue.py 127.0.0.1:50051 demo:python:upper '["hello"]'

Exit codes: 0 with the result on stdout, 7 when the job ended without one.
"""

import sys

import grpc
from reseolio.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc


def main(address, function_name, args):
    jobs = job_service_pb2_grpc.JobServiceStub(grpc.insecure_channel(address))
    new_job = job_pb2.NewJob(
        function_name=function_name,
        args=args.encode(),
        options=job_pb2.JobOptions(max_attempts=1),
    )
    # When this returns, the job is on disk.
    answer = jobs.EnqueueJobs(job_service_pb2.EnqueueJobsRequest(jobs=[new_job]), timeout=10)
    result = answer.results[0]
    if result.HasField("error"):
        sys.exit(f"refused: {result.error.message}")
    # One message per job, when it has ended.
    for ended in jobs.AwaitJobs(job_service_pb2.AwaitJobsRequest(job_ids=[result.job.job_id]), timeout=30):
        if ended.job.state == job_pb2.JOB_STATE_SUCCESS:
            print(ended.job.result.decode())
        else:
            print(f"{ended.job.error.name}: {ended.job.error.message}", file=sys.stderr)
            sys.exit(7)


if __name__ == "__main__":
    main(*sys.argv[1:])
