import { REGISTRY_MIGRATION } from "./registry-tables.ts";
import { RETRAINING_MIGRATION } from "./retraining-tables.ts";

/** Each entry brings the store from version `index` to `index + 1`. Entries are only ever added. */
export const MIGRATIONS: readonly string[] = [
  `create table runs (
     id text primary key,
     command text not null,
     invocation text not null,
     pid integer not null,
     started_at text not null,
     ended_at text,
     status text not null default 'running',
     exit_code integer,
     summary text
   );
   create index runs_started_at on runs (started_at);`,
  `create table failures (
     run_id text not null,
     place integer not null,
     test text not null,
     name text not null,
     status text not null,
     failures integer not null,
     columns text not null,
     rows text not null,
     primary key (run_id, place)
   );`,
  // Runs of jobs beside typed commands; most questions are about those that are no step of another.
  `alter table runs rename to former_runs;
   drop index runs_started_at;
   create table runs (
     id text primary key,
     job text,
     parent_id text,
     step text,
     command text not null,
     invocation text not null,
     trigger text not null,
     cause text,
     due_at text,
     queued_at text not null,
     started_at text,
     ended_at text,
     status text not null,
     pid integer,
     process_start text,
     exit_code integer,
     signal text,
     cpu_seconds real,
     peak_memory_bytes integer,
     reason text,
     summary text,
     is_cancelled integer not null default 0
   );
   insert into runs (id, command, invocation, trigger, queued_at, started_at, ended_at, status, pid, exit_code, summary)
     select id, command, invocation, 'hand', started_at, started_at, ended_at, status, pid, exit_code, summary from former_runs;
   drop table former_runs;
   create unique index runs_due on runs (job, due_at) where due_at is not null;
   create unique index runs_cause on runs (job, cause) where cause is not null;
   create index runs_listed on runs (queued_at, id) where parent_id is null;
   create index runs_of_job on runs (job, queued_at, id) where parent_id is null;
   create index runs_by_status on runs (status, queued_at, id) where parent_id is null;
   create index runs_of_job_by_status on runs (job, status, queued_at, id) where parent_id is null;
   create index runs_open on runs (status) where status in ('queued', 'running');
   create index runs_of_parent on runs (parent_id) where parent_id is not null;
   create index runs_ended on runs (ended_at) where ended_at is not null;
   create table run_steps (
     run_id text not null,
     place integer not null,
     attempt integer not null,
     name text not null,
     command text not null,
     needs text not null,
     status text not null,
     not_before text,
     pid integer,
     process_start text,
     started_at text,
     ended_at text,
     exit_code integer,
     signal text,
     cpu_seconds real,
     peak_memory_bytes integer,
     reason text,
     primary key (run_id, place, attempt)
   );
   create table run_nodes (
     run_id text not null,
     place integer not null,
     node text not null,
     kind text not null,
     status text not null,
     seconds real,
     rows integer,
     message text,
     primary key (run_id, place)
   );
   create table jobs (
     job text primary key,
     seen_until text not null,
     is_paused integer not null default 0,
     loads_until text not null
   );`,
  // A parameter never matches the condition of a partial index.
  `drop index runs_open;
   create index runs_by_state on runs (status, job);`,
  REGISTRY_MIGRATION,
  `create table metric_series (
     id integer primary key,
     name text not null,
     labels text not null,
     total real not null,
     last_value real not null,
     last_at text not null,
     unique (name, labels)
   );
   create table metric_points (
     series_id integer not null,
     at text not null,
     run_id text not null,
     value real not null,
     primary key (series_id, at, run_id)
   );
   create index metric_points_of_run on metric_points (run_id);`,
  `create table incidents (
     id text primary key,
     title text not null,
     severity text not null,
     status text not null,
     node text,
     run_id text,
     opened_at text not null,
     last_seen_at text not null,
     resolved_at text,
     affected text not null,
     owners text not null,
     channels text not null
   );
   create index incidents_by_status on incidents (status, opened_at);
   create table incident_parts (
     incident_id text not null,
     key text not null,
     node text,
     rule text,
     severity text not null,
     message text not null,
     is_bad integer not null,
     since text not null,
     primary key (incident_id, key)
   );
   create table outbox (
     id text primary key,
     channel text not null,
     kind text not null,
     incident_id text,
     payload text not null,
     status text not null,
     attempts integer not null default 0,
     created_at text not null,
     not_before text not null,
     lease_until text,
     sent_at text,
     last_error text
   );
   create index outbox_due on outbox (status, not_before);
   create index outbox_of_incident on outbox (incident_id);`,
  `create table lineage_events (
     id integer primary key,
     run_id text not null,
     body text not null,
     created_at text not null,
     lease_until text
   );`,
  RETRAINING_MIGRATION,
];
