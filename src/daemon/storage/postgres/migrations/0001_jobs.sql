-- Frozen: a change to the schema is a new file. Runs with the store's schema first in the search path.
-- The names are those of the SQLite schema; where the two differ a comment says why.

create table meta (
  key   text collate "C" primary key,
  value text not null
);

-- The one clock of all daemons: whole milliseconds since the epoch, the same for a whole transaction. Tests replace it.
create function now_ms() returns bigint language sql stable
as 'select floor(extract(epoch from pg_catalog.transaction_timestamp()) * 1000)::bigint';

-- Names are kept once; rows and indexes carry a small number.
create table functions (
  id   integer generated always as identity primary key,
  name text collate "C" not null unique
);

-- state: 0 PENDING, 1 RUNNING, 2 SUSPENDED, 3 SUCCESS, 4 DEAD, 5 CANCELLED.
-- backoff: 0 fixed, 1 linear, 2 exponential.
-- Times are milliseconds since the epoch.
-- Columns stand by their width, so that no row is padded. Large args move out of the row by themselves (TOAST) and are
-- not rewritten with it, so there is no table large_args.
create table jobs (
  id               uuid             not null,
  run_at           bigint           not null,
  -- The earlier of finish_by and, before the first start, start_by; null when terminal.
  deadline_at      bigint,
  lease_token      bigint           not null default 0,
  created_at       bigint           not null,
  started_at       bigint,
  finished_at      bigint,
  start_by         bigint,
  finish_by        bigint,
  initial_delay_ms bigint           not null,
  max_delay_ms     bigint           not null,
  timeout_ms       bigint           not null,
  jitter           double precision not null,
  function_id      integer          not null,
  priority         integer          not null,
  attempt          integer          not null default 0,
  failures         integer          not null default 0,
  losses           integer          not null default 0,
  max_attempts     integer          not null,
  state            smallint         not null check (state between 0 and 5),
  -- 0 while PENDING or RUNNING, else as state.
  list_state       smallint         not null check (list_state = case when state < 2 then 0 else state end),
  backoff          smallint         not null,
  -- true: a worker may take it; false: waits for run_at; null: not PENDING.
  is_ready         boolean          check ((is_ready is null) = (state <> 0)),
  parent_id        uuid,
  worker_id        text collate "C",
  idempotency_key  text collate "C",
  -- JSON of the last error.
  error            text,
  -- JSON of a string map; null when empty.
  headers          text,
  args             bytea            not null,
  result           bytea,
  constraint jobs_pkey primary key (id)
) with (
  -- A job is written three times: the next version finds room on the same page, and dead rows
  -- are to be found while they are few and still in memory.
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 1
);

create index jobs_claim on jobs (function_id, priority desc, run_at, id) where is_ready;
create index jobs_scheduled on jobs (run_at) where not is_ready;
create index jobs_deadline on jobs (deadline_at) where deadline_at is not null;
create index jobs_parent on jobs (parent_id, id) where parent_id is not null;
create unique index jobs_idempotency on jobs (function_id, idempotency_key) where idempotency_key is not null;
create index jobs_list on jobs (function_id, list_state, id);
-- SQLite's one daemon keeps this in memory.
create index jobs_running on jobs (worker_id) where state = 1;

-- Attempts that ended without success. outcome: 0 failed, 1 timeout, 2 lost, 3 cancelled.
create table attempts (
  job_id     uuid     not null,
  started_at bigint   not null,
  ended_at   bigint   not null,
  attempt    integer  not null,
  outcome    smallint not null check (outcome between 0 and 3),
  worker_id  text collate "C",
  error      text,
  constraint attempts_pkey primary key (job_id, attempt)
);

-- Jobs by function and state: the sum of both tables. Each transaction adds rows of its own, so that daemons never wait
-- for each other; folding moves them into the totals.
create table job_counts (
  function_id integer  not null,
  state       smallint not null,
  count       bigint   not null,
  constraint job_counts_pkey primary key (function_id, state)
) with (fillfactor = 50);

create table job_count_deltas (
  function_id integer  not null,
  state       smallint not null,
  delta       bigint   not null
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
);

create table workers (
  worker_id        text collate "C" primary key,
  node_id          text    not null,
  host             text    not null,
  host_id          text    not null,
  pid              bigint  not null,
  process_start    text    not null,
  -- JSON array.
  function_names   text    not null,
  concurrency      bigint  not null,
  client           text    not null,
  connected_at     bigint  not null,
  lease_expires_at bigint  not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Daemons that listen for hints: without another one no commit notifies anybody.
create table listeners (
  listener_id   text collate "C" primary key,
  expires_at    bigint  not null,
  -- Somebody watches there: each change is told, not only what may be claimed, awaited or run.
  wants_changes boolean not null default false
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Which daemon does what need not be done by all. Each change of hands, and each lapse, is a new term.
create table leader (
  is_only    boolean primary key default true check (is_only),
  node_id    text collate "C" not null,
  term       bigint not null,
  expires_at bigint not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- For people with a database shell.
create view readable_jobs as
select
  jobs.id,
  functions.name as function_name,
  (array['PENDING', 'RUNNING', 'SUSPENDED', 'SUCCESS', 'DEAD', 'CANCELLED'])[jobs.state + 1] as state,
  jobs.attempt, jobs.failures, jobs.losses, jobs.priority, jobs.worker_id, jobs.idempotency_key,
  to_timestamp(jobs.created_at / 1000.0) as created_at,
  to_timestamp(jobs.run_at / 1000.0) as run_at,
  to_timestamp(jobs.started_at / 1000.0) as started_at,
  to_timestamp(jobs.finished_at / 1000.0) as finished_at,
  jobs.error,
  encode(jobs.args, 'escape') as args,
  encode(jobs.result, 'escape') as result
from jobs
join functions on functions.id = jobs.function_id;
