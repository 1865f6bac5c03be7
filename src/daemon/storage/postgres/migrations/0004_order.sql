-- The order in which handlers are given what was recorded. Words and columns are those of the SQLite schema.

-- `place` of a record with an order is its seq: its position among everything that the handler was given, from 1; 0: none,
-- or none any more. `gate` is (asked - place) * 64 + flags; without a place it is (the former place, or 0) * 64 + flags.
-- Flags: 1 not alone, 2 not prompt, 4 can be undone, 8 ended an attempt, 16 another kind, 32 beside. With 16, `kind` is
-- 0 attempts of a step, 2 signal, 3 note. Null: a record without an order.
alter table checkpoints add column gate integer;
-- Identifies the operation within the job; null: 0.
alter table checkpoints add column op bigint;

-- Jobs that were created before have records without an order.
insert into meta (key, value)
select 'ordered_since', now_ms()::text where exists (select 1 from jobs);
