import { ProjectError } from "../../core/errors.ts";

/** Of a file that cannot be read to its end. `place` is `name` or `name:line:column`. */
export function fileUnreadable(place: string, what: string, cause?: unknown): ProjectError {
  return new ProjectError("FILE_UNREADABLE", {
    message: `${place}: ${what}`,
    where: place,
    hint: "correct the file or take it away, then run again: nothing of this stream was changed",
    cause,
  });
}

export function fileChanging(name: string): ProjectError {
  return new ProjectError("FILE_CHANGING", {
    message: `${name} changed while it was read`,
    where: name,
    hint: "run again when it is complete; write under another name and rename the file when it is",
  });
}

export function fileTooLarge(name: string, limitBytes: number): ProjectError {
  return new ProjectError("FILE_TOO_LARGE", {
    message: `${name}: one record, or a JSON file as a whole, is larger than ${limitBytes / 1_048_576} MB`,
    where: name,
    hint: "write one record a line (NDJSON), or raise ingest: max_body_mb in project.yml",
  });
}
