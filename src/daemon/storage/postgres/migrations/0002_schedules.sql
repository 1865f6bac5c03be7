-- Schedules: which rules there are, and which tick each of their jobs belongs to. Frozen: a change is a new file.

-- state: 0 ACTIVE, 1 PAUSED, 2 DELETED. catch_up: 0 none, 1 latest, 2 all. overlap: 0 allow, 1 skip.
create table schedules (
  id            uuid     not null,
  -- null: no tick will come, or none while PAUSED.
  next_run_at   bigint,
  last_run_at   bigint,
  -- The jobs of all ticks before this one had ended when they were looked at.
  live_from     bigint   not null,
  skipped       bigint   not null,
  created_at    bigint   not null,
  updated_at    bigint   not null,
  jitter_ms     bigint   not null,
  start_at      bigint,
  end_at        bigint,
  max_catch_up  integer  not null,
  state         smallint not null check (state between 0 and 2),
  catch_up      smallint not null check (catch_up between 0 and 2),
  overlap       smallint not null check (overlap between 0 and 1),
  last_job_id   uuid,
  name          text collate "C" not null,
  function_name text collate "C" not null,
  cron          text     not null,
  time_zone     text     not null,
  -- JSON of the options of its jobs.
  options       text     not null,
  args          bytea    not null,
  constraint schedules_pkey primary key (id),
  constraint schedules_next_run_at_check check (next_run_at is null or state = 0)
) with (
  -- Each tick writes the row.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.1,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 1
);

create unique index schedules_name on schedules (name) where state < 2;
create index schedules_due on schedules (next_run_at) where next_run_at is not null;
create index schedules_deleted on schedules (updated_at) where state = 2;
-- With what lists filter by, so that counting them reads no row.
create index schedules_list on schedules (name, id, state, function_name);

-- A table of its own: jobs that no schedule enqueued pay nothing for it. The unique index is the promise that a tick
-- enqueues one job. tick_at is null for a job that was triggered, beside the ticks.
create table job_ticks (
  job_id      uuid not null,
  schedule_id uuid not null,
  tick_at     bigint,
  constraint job_ticks_pkey primary key (job_id)
);

create unique index job_ticks_tick on job_ticks (schedule_id, tick_at) where tick_at is not null;
create index job_ticks_list on job_ticks (schedule_id, job_id);
