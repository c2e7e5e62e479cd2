/** Which tests come along with a node that is selected. */
export const INDIRECT_MODES = ["eager", "cautious", "buildable", "empty"] as const;
export type IndirectMode = (typeof INDIRECT_MODES)[number];

/** Kinds of resources; of some a project may have none. */
export const RESOURCE_TYPES = [
  "model",
  "source",
  "test",
  "unit_test",
  "seed",
  "snapshot",
  "exposure",
  "metric",
  "semantic_model",
  "saved_query",
] as const;
