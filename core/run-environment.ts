/** What the scheduler tells a step's command through its environment; children of the command inherit it. */
export const RUN_VARIABLES = {
  /** The id of the job's run. Processes that belong to it are found by this. */
  run: "SILLON_RUN_ID",
  step: "SILLON_RUN_STEP",
  /** How much the command may print. */
  logBytes: "SILLON_RUN_LOG_BYTES",
} as const;

/** Who may call the server of `run up`: never handed to children. */
export const TOKEN_VARIABLES = { full: "SILLON_TOKEN", read: "SILLON_READ_TOKEN" } as const;
