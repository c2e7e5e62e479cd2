import { expect, test } from "vitest";
import { kindOfError, kindOfWarning } from "../../monitor/metrics/error-kinds.ts";

test.each([
  ["API_TIMEOUT", "network"],
  ["DATABASE_UNREACHABLE", "network"],
  ["DATABASE_UNAUTHORIZED", "configuration"],
  ["API_BODY_MALFORMED", "validation"],
  ["CONTRACT_BROKEN", "validation"],
  ["MODEL_SQL", "compute"],
  ["DISK_FULL", "compute"],
  ["SEED_VALUE", "data"],
  ["REF_UNKNOWN", "configuration"],
  ["YAML_SCHEMA", "configuration"],
  ["API_UNAUTHORIZED", "configuration"],
  ["CHECK_FAILED", "validation"],
  ["NOT_A_CODE", "compute"],
])("%s is about %s", (code, kind) => {
  expect(kindOfError(code)).toBe(kind);
});

test.each([
  ["schema_drift", "validation"],
  ["request_retried", "network"],
  ["load_unrecorded", "compute"],
  ["test_warned", "data"],
  ["secret_short", "configuration"],
  ["never_said", "compute"],
])("the warning %s is about %s", (event, kind) => {
  expect(kindOfWarning(event)).toBe(kind);
});
