-- Schedules: which rules there are, and which tick each of their jobs belongs to. Frozen: a change is a new file.

-- state: 0 ACTIVE, 1 PAUSED, 2 DELETED. catch_up: 0 none, 1 latest, 2 all. overlap: 0 allow, 1 skip.
create table schedules (
  id            blob    not null primary key check (length(id) = 16),
  name          text    not null,
  state         integer not null check (state between 0 and 2),
  -- null: no tick will come, or none while PAUSED.
  next_run_at   integer check (next_run_at is null or state = 0),
  last_run_at   integer,
  last_job_id   blob,
  -- The jobs of all ticks before this one had ended when they were looked at.
  live_from     integer not null,
  skipped       integer not null,
  created_at    integer not null,
  updated_at    integer not null,
  function_name text    not null,
  cron          text    not null,
  time_zone     text    not null,
  catch_up      integer not null check (catch_up between 0 and 2),
  max_catch_up  integer not null,
  overlap       integer not null check (overlap between 0 and 1),
  jitter_ms     integer not null,
  start_at      integer,
  end_at        integer,
  -- JSON of the options of its jobs.
  options       text    not null,
  args          blob    not null
);

create unique index schedules_name on schedules (name) where state < 2;
create index schedules_due on schedules (next_run_at) where next_run_at is not null;
create index schedules_deleted on schedules (updated_at) where state = 2;
-- With what lists filter by, so that counting them reads no row.
create index schedules_list on schedules (name, id, state, function_name);

-- A table of its own: jobs that no schedule enqueued pay nothing for it. The unique index is the promise that a tick
-- enqueues one job. tick_at is null for a job that was triggered, beside the ticks.
create table job_ticks (
  job_id      blob not null primary key,
  schedule_id blob not null,
  tick_at     integer
) without rowid;

create unique index job_ticks_tick on job_ticks (schedule_id, tick_at) where tick_at is not null;
create index job_ticks_list on job_ticks (schedule_id, job_id);
