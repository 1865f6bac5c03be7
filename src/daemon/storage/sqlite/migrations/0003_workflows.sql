-- Workflows: checkpoints, what parked jobs wait for, events.
select 1;
