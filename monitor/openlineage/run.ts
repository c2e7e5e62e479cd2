import { endOf, facet, type RunEvent, runIdOf, startOf } from "./event.ts";
import { nodeRuns } from "./nodes.ts";
import { streamRuns } from "./streams.ts";
import {
  type EndedCommand,
  errorOf,
  type Inside,
  jobType,
  type ParentRun,
  type ToldCommand,
} from "./told.ts";

function commandRun({ invocationId, namespace, project, command, startedAt, parent, version }: ToldCommand) {
  const job = { namespace, name: `${project}.${command.replaceAll(" ", "_")}` };
  const engine = facet("processing_engine", { name: "sillon", version, openlineageAdapterVersion: version });
  return {
    runId: invocationId,
    job,
    startedAt,
    runFacets: {
      processing_engine: engine,
      ...(parent === undefined ? {} : { parent: parentFacet(parent, parent) }),
    },
    jobFacets: jobType("COMMAND"),
    inputs: [],
    outputs: [],
  };
}

function parentFacet({ runId, job }: ParentRun, root: ParentRun) {
  return facet("parent", { run: { runId }, job, root: { run: { runId: root.runId }, job: root.job } });
}

/** The event that a command has begun. */
export function startEvent(command: ToldCommand): RunEvent {
  return startOf(commandRun(command));
}

/** The events of all that a command did, in the order in which it happened, and of its end at last. */
export function endEvents(command: ToldCommand, ended: EndedCommand): RunEvent[] {
  const own = commandRun(command);
  const { engine } = ended;
  const inside: Inside = {
    namespace: command.namespace,
    project: command.project,
    command,
    ended,
    runFacets: {
      parent: parentFacet(own, command.parent ?? own),
      ...(engine === null
        ? {}
        : {
            processing_engine: facet("processing_engine", {
              ...engine,
              openlineageAdapterVersion: command.version,
            }),
          }),
    },
    runIdOf: (startedAt, name) => runIdOf(startedAt, `${command.invocationId}\0${name}`),
  };
  const parts = [...streamRuns(inside), ...nodeRuns(inside)];
  const events = parts.flatMap((run, place) => [
    { event: startOf(run), place: 2 * place },
    { event: endOf(run), place: 2 * place + 1 },
  ]);
  const order = events.toSorted(
    (a, b) => Date.parse(a.event.eventTime) - Date.parse(b.event.eventTime) || a.place - b.place,
  );
  const end = endOf({ ...own, ...errorOf(ended, "TypeScript"), endedAt: ended.endedAt, end: ended.end });
  return [...order.map(({ event }) => event), end];
}
