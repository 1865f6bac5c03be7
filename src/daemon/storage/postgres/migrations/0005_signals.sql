-- Signals: sent to one job, kept in the order of their arrival, each taken by one wait of the job. Words and columns are
-- those of the SQLite schema.

create table signals (
  -- Chosen by the sender: the same one sent again changes nothing.
  id          uuid    not null,
  job_id      uuid    not null,
  sent_at     bigint  not null,
  -- Counts the job's signals in the order of their arrival, from 1.
  place       integer not null,
  -- true: a wait took it as it arrived.
  was_awaited boolean not null default false,
  name        text collate "C" not null,
  -- Name of the wait that took it; null while none has.
  taken_by    text collate "C",
  -- JSON; null once it is taken, as the wait's record has it.
  payload     bytea,
  constraint signals_pkey primary key (id)
) with (
  fillfactor = 90,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 1
);

create unique index signals_of_job on signals (job_id, place);
create index signals_waiting on signals (job_id, name, place) where taken_by is null;

-- What few waits have beside their row of checkpoints, where every record would pay for the columns. Goes with the wait;
-- one that stays behind does no harm, and goes with the job.
create table wait_details (
  job_id      uuid    not null,
  -- In which order the job's waits for this signal take signals, from 1.
  turn        integer,
  -- true: an event that was emitted before the job was enqueued does not count.
  since_start boolean not null default false,
  -- Of the wait.
  name        text collate "C" not null,
  -- The signal that is awaited.
  signal_name text collate "C",
  constraint wait_details_pkey primary key (job_id, name)
) with (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 1
);

create index waits_signal on wait_details (job_id, signal_name, turn) where signal_name is not null;

-- The last emission of an event that was emitted more than once: waits that begin with their job may need it.
alter table events add column latest_at bigint;
alter table events add column latest_payload bytea;
