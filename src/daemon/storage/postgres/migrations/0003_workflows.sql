-- Workflows: checkpoints, what parked jobs wait for, events. Words and columns are those of the SQLite schema.

-- How long the attempt ran before it parked; null: an attempt that never did, so that the next claim begins a new one.
alter table jobs add column ran_ms bigint;

-- Woken jobs, for the worker that has their handler in memory (worker_id): it may take them before run_at.
create index jobs_resumable on jobs (worker_id, run_at) where state = 0 and worker_id is not null;

-- What jobs recorded (recorded_at is set) and what they wait for (it is null). A wait becomes the record of what came.
-- kind: 0 step, 1 sleep, 2 event, 3 value, 4 choice, 5 job.
create table checkpoints (
  job_id      uuid     not null,
  recorded_at bigint,
  -- Of the job when it was recorded: tells what a worker that goes on has not seen yet.
  lease_token bigint,
  -- End of a sleep, or of the wait for an event.
  due_at      bigint,
  -- The job whose end is awaited.
  awaited_id  uuid,
  -- In which order the job came to it.
  place       integer  not null,
  -- Of the job, when a step's error was recorded.
  failures    integer  not null default 0,
  kind        smallint not null check (kind between 0 and 5),
  -- true: the parked job is woken by it; false: it is recorded when it comes, without waking.
  wakes       boolean  not null default false,
  -- true: due_at came from a length of time; false: it is a date.
  is_length   boolean  not null default false,
  timed_out   boolean  not null default false,
  name        text collate "C" not null,
  event_name  text collate "C",
  -- JSON of a step's error.
  error       text,
  -- JSON.
  value       bytea,
  constraint checkpoints_pkey primary key (job_id, name)
) with (
  fillfactor = 90,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 1
);

create index waits_due on checkpoints (due_at) where recorded_at is null and due_at is not null;
create index waits_event on checkpoints (event_name) where recorded_at is null and event_name is not null;
-- Also of those that are over: an awaited job is kept as long as who awaited it may ask for its result again.
create index waits_job on checkpoints (awaited_id) where awaited_id is not null;

-- Each happens once. is_spreading: more jobs wait for it than one commit tells; the timer goes on with them.
create table events (
  name         text collate "C" not null,
  emitted_at   bigint  not null,
  is_spreading boolean not null default false,
  -- JSON.
  payload      bytea   not null,
  constraint events_pkey primary key (name)
);

create index events_emitted on events (emitted_at);
create index events_spreading on events (name) where is_spreading;
