import { expect, test } from "vitest";
import { listIncidents } from "../../state/incidents.ts";
import { enqueue, listOutbox } from "../../state/outbox.ts";
import { pruneRuns } from "../../state/retention.ts";
import { type Ground, stateGround } from "./state.ts";

async function addIncident({ state }: Ground, id: string, days: number, status: "open" | "resolved") {
  const at = new Date(Date.UTC(2026, 0, 1 + days)).toISOString();
  await state
    .insertInto("incidents")
    .values({
      ...{
        id,
        title: id,
        severity: "error",
        status,
        node: null,
        run_id: null,
        opened_at: at,
        last_seen_at: at,
      },
      ...{ resolved_at: status === "open" ? null : at, affected: "[]", owners: "[]", channels: "[]" },
    })
    .execute();
  await state
    .insertInto("incident_parts")
    .values({
      ...{ incident_id: id, key: "k", node: null, rule: null, severity: "error", message: "m" },
      ...{ is_bad: 1, since: at },
    })
    .execute();
}

async function addMessage({ state }: Ground, days: number, status: "queued" | "sent" | "given_up") {
  const at = new Date(Date.UTC(2026, 0, 1 + days));
  const id = await enqueue(state, at, { channel: status, kind: "opened", payload: {} });
  await state.updateTable("outbox").set({ status }).where("id", "=", id).execute();
}

const NOW = new Date("2026-03-02T00:00:00Z"); // day 60

test("incidents that are over and messages that are through go by age; what is open or unsent stays", async () => {
  const ground = stateGround();
  await addIncident(ground, "old", 1, "resolved");
  await addIncident(ground, "old open", 1, "open");
  await addIncident(ground, "new", 59, "resolved");
  await addMessage(ground, 1, "sent");
  await addMessage(ground, 1, "queued");
  await addMessage(ground, 59, "given_up");
  await pruneRuns(ground.state, ground.folder, { now: NOW, keep: { days: 30, runs: 100 } });
  const incidents = await listIncidents(ground.state);
  expect(incidents.map(({ id }) => id)).toEqual(["old open", "new"]);
  const parts = await ground.state.selectFrom("incident_parts").select("incident_id").execute();
  expect(parts).toHaveLength(2);
  expect((await listOutbox(ground.state)).map(({ channel }) => channel)).toEqual(["given_up", "queued"]);
});

test("they go by count as well, the oldest first", async () => {
  const ground = stateGround();
  for (const day of [10, 20, 30, 40]) {
    await addIncident(ground, `day ${day}`, day, "resolved");
    await addMessage(ground, day, "sent");
  }
  await addMessage(ground, 5, "queued");
  await pruneRuns(ground.state, ground.folder, { now: NOW, keep: { days: 365, runs: 2 } });
  expect((await listIncidents(ground.state)).map(({ id }) => id)).toEqual(["day 40", "day 30"]);
  const left = (await listOutbox(ground.state)).map(({ created_at }) => created_at.slice(0, 10));
  expect(left).toEqual(["2026-02-10", "2026-01-31", "2026-01-06"]);
});
