-- Undo: which jobs have recorded steps that can be undone. Frozen: a change is a new file.

-- Looked at for each job that ends DEAD or CANCELLED, so that those without such steps pay one look.
create index undo_steps on checkpoints (job_id) where (gate & 4) <> 0;
