interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}
interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

/** Reads Prometheus' text format 0.0.4 and throws at whatever is not exactly so, conventions of names included. */
export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-zA-Z_:][\w:]*) (\S.*)$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (help !== null) {
      [, current = ""] = help;
      if (families.has(current)) throw new Error(`${current} is there twice`);
      families.set(current, { type: "", help: help[2] ?? "", samples: [] });
    } else if (type !== null) {
      const family = families.get(type[1] ?? "");
      if (family === undefined || family.type !== "" || type[1] !== current) throw new Error(`TYPE: ${line}`);
      family.type = type[2] ?? "";
      if ((family.type === "counter") !== current.endsWith("_total")) throw new Error(`name: ${current}`);
    } else readSample(line, { family: families.get(current), current, seen });
  }
  return families;
}

function readSample(
  line: string,
  { family, current, seen }: { family: Family | undefined; current: string; seen: Set<string> },
): void {
  const sample = /^([a-zA-Z_:][\w:]*)(\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Inf)|NaN)$/.exec(line);
  const [, name = "", , inside = "", value = ""] = sample ?? [];
  if (family === undefined || family.type === "" || name !== current) throw new Error(`no sample: ${line}`);
  const pair = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
  const labels: Record<string, string> = {};
  while (pair.lastIndex < inside.length) {
    const found = pair.exec(inside);
    if (found === null) throw new Error(`labels: ${line}`);
    labels[found[1] ?? ""] = (found[2] ?? "").replace(/\\(.)/g, (_, one) => (one === "n" ? "\n" : one));
  }
  const key = `${name}${JSON.stringify(labels)}`;
  if (seen.has(key)) throw new Error(`the same sample twice: ${line}`);
  seen.add(key);
  family.samples.push({ name, labels, value: Number(value) });
}
