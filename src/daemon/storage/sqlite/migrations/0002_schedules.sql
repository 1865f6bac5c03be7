-- Schedules: which rules there are, and which tick each of their jobs belongs to.
select 1;
