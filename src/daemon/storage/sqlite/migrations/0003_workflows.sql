-- Workflows: checkpoints, what parked jobs wait for, events.

-- How long the attempt ran before it parked; null: an attempt that never did, so that the next claim begins a new one.
alter table jobs add column ran_ms integer;

-- Woken jobs, for the worker that has their handler in memory (worker_id): it may take them before run_at.
create index jobs_resumable on jobs (worker_id, run_at) where state = 0 and worker_id is not null;

-- What jobs recorded (recorded_at is set) and what they wait for (it is null). A wait becomes the record of what came.
-- kind: 0 step, 1 sleep, 2 event, 3 value, 4 choice, 5 job.
create table checkpoints (
  job_id      blob    not null,
  name        text    not null,
  kind        integer not null check (kind between 0 and 5),
  -- In which order the job came to it.
  place       integer not null,
  -- 1: the parked job is woken by it; 0: it is recorded when it comes, without waking.
  wakes       integer not null default 0,
  recorded_at integer,
  -- Of the job when it was recorded: tells what a worker that goes on has not seen yet.
  lease_token integer,
  -- End of a sleep, or of the wait for an event.
  due_at      integer,
  -- 1: due_at came from a length of time; 0: it is a date.
  is_length   integer not null default 0,
  event_name  text,
  -- The job whose end is awaited.
  awaited_id  blob,
  timed_out   integer not null default 0,
  -- Of the job, when a step's error was recorded.
  failures    integer not null default 0,
  -- JSON of a step's error.
  error       text,
  -- JSON.
  value       blob,
  primary key (job_id, name)
) without rowid;

create index waits_due on checkpoints (due_at) where recorded_at is null and due_at is not null;
create index waits_event on checkpoints (event_name) where recorded_at is null and event_name is not null;
-- Also of those that are over: an awaited job is kept as long as who awaited it may ask for its result again.
create index waits_job on checkpoints (awaited_id) where awaited_id is not null;

-- Each happens once. is_spreading: more jobs wait for it than one commit tells; the timer goes on with them.
create table events (
  name         text    not null primary key,
  emitted_at   integer not null,
  is_spreading integer not null default 0,
  -- JSON.
  payload      blob    not null
);

create index events_emitted on events (emitted_at);
create index events_spreading on events (name) where is_spreading = 1;
