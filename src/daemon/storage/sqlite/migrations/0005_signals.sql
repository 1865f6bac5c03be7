-- Signals: sent to one job, kept in the order of their arrival, each taken by one wait of the job.

create table signals (
  -- Chosen by the sender: the same one sent again changes nothing.
  id          blob    not null primary key,
  job_id      blob    not null,
  -- Counts the job's signals in the order of their arrival, from 1.
  place       integer not null,
  name        text    not null,
  sent_at     integer not null,
  -- 1: a wait took it as it arrived.
  was_awaited integer not null default 0,
  -- Name of the wait that took it; null while none has.
  taken_by    text,
  -- JSON; null once it is taken, as the wait's record has it.
  payload     blob
);

create unique index signals_of_job on signals (job_id, place);
create index signals_waiting on signals (job_id, name, place) where taken_by is null;

-- What few waits have beside their row of checkpoints, where every record would pay for the columns. Goes with the wait;
-- one that stays behind does no harm, and goes with the job.
create table wait_details (
  job_id      blob    not null,
  -- Of the wait.
  name        text    not null,
  -- The signal that is awaited.
  signal_name text,
  -- In which order the job's waits for this signal take signals, from 1.
  turn        integer,
  -- 1: an event that was emitted before the job was enqueued does not count.
  since_start integer not null default 0,
  primary key (job_id, name)
) without rowid;

create index waits_signal on wait_details (job_id, signal_name, turn) where signal_name is not null;

-- The last emission of an event that was emitted more than once: waits that begin with their job may need it.
alter table events add column latest_at integer;
alter table events add column latest_payload blob;
