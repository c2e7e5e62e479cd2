import { createContext } from "../../core/context.ts";
import { deliverDue } from "../../monitor/alerts/deliver.ts";
import type { AlertMessage } from "../../monitor/alerts/message.ts";
import { loadMonitor } from "../../monitor/settings.ts";
import { openState } from "../../state/database.ts";
import { enqueue, listOutbox } from "../../state/outbox.ts";
import {
  type HttpReceiver,
  type Mailbox,
  type SmtpMood,
  startMail,
  startReceiver,
} from "../monitor/receivers.ts";
import { setClock } from "../monitor/state.ts";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { type CommandOptions, startCommand } from "./command.ts";
import { type Projects, writeFiles } from "./folders.ts";

type Fault = { name: string } & ({ smtp: SmtpMood } | { http: "slack" | "webhook"; status: number | null });
const FAULTS: readonly Fault[] = [
  { name: "smtp_refused", smtp: "drops" },
  { name: "smtp_4xx", smtp: 451 },
  { name: "smtp_5xx", smtp: 554 },
  { name: "smtp_hanging", smtp: "hangs" },
  { name: "slack_429", http: "slack", status: 429 },
  { name: "slack_500", http: "slack", status: 500 },
  { name: "webhook_timeout", http: "webhook", status: null },
];

/** S-07: channels that are down for an hour lose nothing, double nothing, and change no result. */
export const channelsDown: Case = {
  id: "S-07",
  run: async ({ size, projects }: Ground): Promise<Report> => {
    const count = size === "full" ? 200 : 40;
    const failures: string[] = [];
    const sum = { arrived: 0, lost: 0, doubled: 0, givenUp: 0 };
    for (const fault of FAULTS) {
      const found = await hourOf(fault, count, projects.make({}));
      if (found.lost + found.doubled > 0) failures.push(`${fault.name}: ${JSON.stringify(found)}`);
      sum.arrived += found.arrived;
      sum.lost += found.lost;
      sum.doubled += found.doubled;
      sum.givenUp += found.givenUp;
    }
    const changed = await changedResults(projects);
    return {
      figures: [
        all("arrived", sum.arrived, count * FAULTS.length),
        none("lost", sum.lost),
        none("doubled", sum.doubled),
        all("given_up_seen", sum.givenUp, FAULTS.length),
        none("job_results_changed", changed),
      ],
      failures,
    };
  },
};

const HOUR_MS = 3_600_000;
const ROUND_MS = 60_000;

interface Down {
  channel: string;
  env: Record<string, string>;
  fail(isDown: boolean): void;
  /** The id of each message that arrived. */
  arrived(): string[];
  stop(): Promise<void>;
}

async function hourOf(fault: Fault, count: number, folder: string) {
  const down =
    "smtp" in fault ? mailDown(fault.smtp, await startMail()) : httpDown(fault, await startReceiver());
  writeFiles(folder, { "monitor.yml": `channels: {it: ${down.channel}}\n` });
  const settings = loadMonitor(folder);
  const clock = setClock("2026-03-02T00:00:00Z");
  const ctx = createContext({
    projectDir: folder,
    env: down.env,
    sink: () => undefined,
    clock,
    random: () => 0.5,
  });
  const state = openState(`${folder}/data/state.db`);
  try {
    const put = (number: number) =>
      enqueue(state, clock.now(), { channel: "it", kind: "opened", payload: alertOf(number) });
    down.fail(true);
    const start = clock.now().getTime();
    for (let number = 0; number < count; number++) await put(number);
    while (clock.now().getTime() - start < HOUR_MS) {
      await deliverDue(ctx, state, settings);
      clock.pass(ROUND_MS);
    }
    const early = down.arrived().length;
    down.fail(false);
    for (let rounds = 0; rounds < 60; rounds++) {
      await deliverDue(ctx, state, settings);
      clock.pass(ROUND_MS);
    }
    const arrived = down.arrived();
    const kinds = new Set(arrived).size;
    // Giving up is told: of one more message that nobody takes for more than a day.
    down.fail(true);
    await put(count);
    await deliverDue(ctx, state, settings);
    clock.pass(25 * HOUR_MS);
    await deliverDue(ctx, state, settings);
    const givenUp = (await listOutbox(state, { status: "given_up" })).length;
    return { arrived: kinds, lost: count - kinds, doubled: arrived.length - kinds, early, givenUp };
  } finally {
    await state.destroy();
    await down.stop();
  }
}

function mailDown(mood: SmtpMood, mail: Mailbox): Down {
  return {
    channel: `{type: email, host: 127.0.0.1, port: ${mail.port}, tls: none, from: a@example.com, to: [b@example.com], timeout: 200ms}`,
    env: {},
    fail: (isDown) => {
      mail.mood = isDown ? mood : "well";
    },
    arrived: () => mail.mails.map(({ raw }) => /alert number (\d+)/.exec(raw)?.[1] ?? ""),
    stop: () => mail.stop(),
  };
}

function httpDown({ http, status }: { http: string; status: number | null }, hook: HttpReceiver): Down {
  return {
    channel: `{type: ${http}, url: {env: HOOK_URL}, timeout: 200ms}`,
    env: { HOOK_URL: hook.url },
    fail: (isDown) => {
      hook.status = isDown ? status : 200;
    },
    arrived: () => hook.posts.map(({ body }) => /alert number (\d+)/.exec(body)?.[1] ?? ""),
    stop: () => hook.stop(),
  };
}

function alertOf(number: number): AlertMessage {
  return {
    kind: "opened",
    project: "shop",
    incident_id: String(number),
    severity: "error",
    title: `alert number ${number}`,
    parts: [],
    affected: [],
    owners: [],
    run_id: null,
    opened_at: "2026-03-02T00:00:00.000Z",
    resolved_at: null,
  };
}

/** Commands whose result or history is another with channels that nobody answers on. */
async function changedResults(projects: Projects): Promise<number> {
  const model = (sql: string) => ({ "models/orders.sql": sql });
  const channels = `channels:
  mail: {type: email, host: 127.0.0.1, port: 9, from: a@example.com, to: [b@example.com], timeout: 200ms}
  slack: {type: slack, url: {env: NOT_SET}}
rules: [{name: slow, metric: run_duration_seconds, max: 0}]
`;
  let changed = 0;
  for (const sql of ["select 1 as id", "select nothing from nowhere"]) {
    const results: string[] = [];
    for (const files of [model(sql), { ...model(sql), "monitor.yml": channels }]) {
      const options: CommandOptions = { cwd: projects.make(files) };
      const { exitCode } = await startCommand(["models"], options).ended;
      const { stdout } = await startCommand(["history", "--json"], options).ended;
      const [run] = (JSON.parse(stdout) as { runs: { status: string; exit_code: number }[] }).runs;
      results.push(`${exitCode} ${run?.status} ${run?.exit_code}`);
    }
    if (results[0] !== results[1]) changed++;
  }
  return changed;
}
