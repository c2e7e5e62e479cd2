import { projectErrorsOf } from "../core/errors.ts";
import type { Engine } from "../engines/engine.ts";
import type { Inference } from "../reco/infer/infer.ts";
import { openStore, type ServedItem } from "../reco/serve/store.ts";
import { readRecoSettings } from "../reco/settings.ts";
import { isTrainedOn, type Training, trainModel } from "../reco/train/train.ts";
import type { BuildBook } from "../state/builds.ts";
import { summarizeTraining, trainingJson } from "./commands/reco.ts";
import { formatTable } from "./print.ts";
import { hasRecoModels, inferStep, type RecoPlace, trainOptions, withRecoPlace } from "./reco-step.ts";
import type { Terminal } from "./terminal.ts";
import type { Workspace } from "./workspace.ts";

/** Trains unless the champion knows these data, makes the lists, and shows those of a few users. */
export async function recoSteps(
  workspace: Workspace,
  terminal: Terminal,
  { engine, book }: { engine: Engine; book: BuildBook },
): Promise<{ text: string; json: Record<string, unknown> }> {
  if (!hasRecoModels(workspace)) return { text: "", json: {} };
  const settings = readRecoSettings(workspace.project.file);
  try {
    return await withRecoPlace(workspace, { engine, book, settings }, (place) =>
      trainAndInfer(workspace, terminal, place),
    );
  } catch (error) {
    const [mistake] = projectErrorsOf(error);
    // The data are loaded and published: too little to learn from is no failure of that.
    if (mistake?.code !== "RECO_TOO_LITTLE_DATA") throw error;
    workspace.ctx.log.info("reco_withheld", `no recommendations: ${mistake.why.join("; ")}`);
    return { text: "", json: {} };
  }
}

async function trainAndInfer(workspace: Workspace, terminal: Terminal, place: RecoPlace) {
  const { ctx, folders } = workspace;
  const options = await trainOptions(workspace, place);
  const training = (await isTrainedOn(place.state, options)) ? null : await trainModel(ctx, place, options);
  const inference = await inferStep(workspace, place, { scope: { kind: "all" }, isFull: false });
  const text = [
    terminal.colors.bold(headOf(training, inference)),
    ...listsOf(`${folders.serving}/${inference.store}`, terminal),
  ].join("\n");
  return {
    text,
    json: {
      recommendations: {
        model_version: inference.version,
        training: training === null ? null : trainingJson(training),
        users: inference.users,
        skipped: inference.skipped,
      },
    },
  };
}

function headOf(training: Training | null, { version, users, skipped }: Inference): string {
  const lists = `lists of ${users.toLocaleString("en-US")} users made, ${skipped.toLocaleString("en-US")} kept`;
  const model =
    training === null ? `model v${version} knows these data already` : summarizeTraining(training);
  return `Recommendations: ${model}; ${lists}`;
}

const SHOWN_USERS = 3;
const SHOWN_TRACKS = 4;

/** Of users who listened most, without names of persons. */
function listsOf(file: string, { colors }: Terminal): string[] {
  const { store } = openStore(file);
  try {
    const rows = store
      .prepare(
        "select users.user_id, users.segment, lists.items from users join lists on lists.user_id = users.user_id and lists.shelf = 'discover' order by users.listens desc, users.user_id limit ?",
      )
      .all(SHOWN_USERS) as { user_id: string; segment: string; items: string }[]; // its own tables
    const cells = rows.flatMap(({ user_id, segment, items }) =>
      (JSON.parse(items) as ServedItem[]) // as inference wrote them
        .slice(0, SHOWN_TRACKS)
        .map(({ title, artist, why }, place) => [
          place === 0 ? user_id : "",
          place === 0 ? segment : "",
          title,
          artist,
          why,
        ]),
    );
    return [formatTable(["user", "plays", "track to discover", "artist", "why"], cells, colors)];
  } finally {
    store.close();
  }
}
