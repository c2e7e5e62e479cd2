import { describe, expect, test } from "vitest";
import { exposuresOf, sourcesOf } from "../../runner/graph/nodes.ts";
import { selectNodes } from "../../runner/select/select.ts";
import { manifestContent } from "../../runner/to-artifacts/manifest.ts";
import { createProject, mistakesIn } from "./project.ts";

const EXPOSURE = `exposures:
  - name: weekly
    type: dashboard
    maturity: high
    url: https://bi.example.com/1
    owner: {name: Ada, email: ada@example.com}
    depends_on: ["ref('m')", "source('raw', 't')"]
sources: [{name: raw, tables: [{name: t}]}]
`;

describe("an exposure", () => {
  const project = () => createProject({ "models/m.sql": "select 1 as id", "models/e.yml": EXPOSURE });

  test("knows what it reads and is selected with it", () => {
    const { graph } = project().scope();
    expect(exposuresOf(graph)[0]?.dependsOn).toEqual(["model.shop.m", "source.shop.raw.t"]);
    expect([...selectNodes(graph, { select: ["+exposure:weekly"] })].sort()).toEqual([
      "exposure.shop.weekly",
      "model.shop.m",
      "source.shop.raw.t",
    ]);
  });

  test("is in the manifest", () => {
    const [exposure] = manifestContent(project().scope(), new Map()).exposures;
    expect(exposure).toMatchObject({
      unique_id: "exposure.shop.weekly",
      refs: [{ name: "m", package: null, version: null }],
      sources: [["raw", "t"]],
      owner: { name: "Ada" },
      maturity: "high",
    });
  });

  test("that reads an unknown model is a mistake with its place", () => {
    const [mistake] = mistakesIn({
      "models/m.sql": "select 1",
      "models/e.yml": EXPOSURE.replace("'m'", "'n'"),
    });
    expect(mistake).toMatchObject({ code: "REF_UNKNOWN", where: "models/e.yml:7:18" });
  });
});

describe("docs blocks", () => {
  test("stand where descriptions call them", () => {
    const project = createProject({
      "models/m.sql": "select 1 as id",
      "models/docs.md": "# Texts\n{% docs m_id %}\nThe **key**.\n{% enddocs %}\n",
      "models/m.yml":
        'models: [{name: m, description: "See {{ doc(\'m_id\') }}", columns: [{name: id, description: \'{{ doc("shop", "m_id") }}\'}]}]',
    });
    expect(project.model("m").description).toBe("See The **key**.");
    expect(project.model("m").columns[0]?.description).toBe("The **key**.");
    expect(manifestContent(project.scope(), new Map()).docs).toMatchObject([
      { unique_id: "doc.shop.m_id", block_contents: "The **key**." },
    ]);
  });

  test("that do not exist, or exist twice, are mistakes", () => {
    const mistakes = mistakesIn({
      "models/m.sql": "select 1",
      "models/a.md": "{% docs one %}1{% enddocs %}",
      "models/b.md": "\n{% docs one %}2{% enddocs %}",
      "models/m.yml": "models: [{name: m, description: \"{{ doc('on') }}\"}]",
    });
    expect(mistakes.map(({ code, where, why, hint }) => [code, where, why, hint])).toEqual([
      ["DOC_DUPLICATE", "models/b.md:2:1", ["the other file: models/a.md"], "rename one of them"],
      [
        "DOC_UNKNOWN",
        "models/m.yml:1:33",
        ["nearest names: one"],
        "correct the name, or write {% docs on %} … {% enddocs %} in a .md file below models/",
      ],
    ]);
  });
});

describe("groups and access", () => {
  const files = (group: string) => ({
    "models/a.sql": "select 1 as id",
    "models/b.sql": "select * from {{ ref('a') }}",
    "models/g.yml": `groups: [{name: finance, owner: {name: Ada}}]\nmodels: [{name: a, group: finance, access: private}, {name: b, config: {group: ${group}}}]`,
  });

  test("are in the manifest", () => {
    const content = manifestContent(createProject(files("finance")).scope(), new Map());
    expect(content.groups).toMatchObject([{ unique_id: "group.shop.finance", owner: { name: "Ada" } }]);
    expect(content.groupMembers).toEqual({ finance: ["model.shop.a", "model.shop.b"] });
    expect(content.nodes[0]).toMatchObject({ group: "finance", access: "private" });
  });

  test("that are unknown, and refs to what is private, are mistakes", () => {
    expect(mistakesIn(files("sales")).map(({ code, where, hint }) => [code, where, hint])).toEqual([
      [
        "GROUP_UNKNOWN",
        "models/g.yml:2:80",
        "correct the name, or add the group under groups: in a YAML file below models/",
      ],
      ["REF_PRIVATE", "models/b.sql:1:18", 'put "b" into that group, or give "a" access: protected'],
    ]);
  });
});

test("one mistake of a file hides neither its groups nor its snapshots", () => {
  const mistakes = mistakesIn({
    "models/a.sql": "{{ config(group='finance') }}select 1 as id",
    "models/b.sql": "select * from {{ ref('kept') }}",
    "models/all.yml": `groups: [{name: finance, owner: {name: Ada}}]
models: [{name: a, descripton: x}]
snapshots: [{name: kept, relation: ref('a'), config: {strategy: check, check_cols: all, unique_key: id}}]`,
  });
  expect(mistakes.map(({ where, message }) => `${where} ${message}`)).toEqual([
    'models/all.yml:2:20 unknown key "descripton" in item 1 of "models"',
  ]);
});

test("a model with a mistake is not unknown to its readers and its YAML", () => {
  const mistakes = mistakesIn({
    "models/a.sql": "{% if x %}select 1{{ config(materialized='table') }}",
    "models/b.sql": "select * from {{ ref('a') }} join {{ ref('c') }} using (id)",
    "models/all.yml": "models: [{name: a, description: one}]",
  });
  expect(mistakes.map(({ where, code }) => `${where} ${code}`)).toEqual([
    "models/a.sql:1:1 JINJA_BLOCK",
    "models/b.sql:1:38 REF_UNKNOWN",
  ]);
});

test("Jinja blocks hide no other mistake of their file, and names that they bind are none", () => {
  const mistakes = mistakesIn({
    "models/a.sql": `{{ config(materialised='table') }}
{% set cols = ['x'] %}
select {% for c in cols %}{{ c }}, {{ loop.index }}{% endfor %} {{ ref(c) }} {{ nothing('x') }}
from {{ ref('b') }} {% if x %}where {{ var('missing') }}{% endif %}`,
    "tests/data/t.sql": "{% if x %}select * from {{ source('raw', 'y') }}{% endif %}",
  });
  expect(mistakes.map(({ where, code }) => `${where} ${code}`)).toEqual([
    "models/a.sql:2:1 JINJA_BLOCK",
    "models/a.sql:3:8 JINJA_BLOCK",
    "models/a.sql:3:52 JINJA_BLOCK",
    "models/a.sql:4:21 JINJA_BLOCK",
    "models/a.sql:4:57 JINJA_BLOCK",
    "models/a.sql:1:4 CONFIG_INVALID",
    "tests/data/t.sql:1:1 JINJA_BLOCK",
    "tests/data/t.sql:1:49 JINJA_BLOCK",
    "models/a.sql:4:9 REF_UNKNOWN",
    "models/a.sql:3:81 TEMPLATE_NAME_UNKNOWN",
    "tests/data/t.sql:1:28 SOURCE_UNKNOWN",
  ]);
});

test("YAML of dbt projects is taken as it is", () => {
  const project = createProject({
    "models/m.sql": "select 1 as id",
    "models/m.yml": `version: 2
models:
  - name: m
    docs: {show: false, node_color: red}
    access: public
    tags: daily
    meta: {owner: x}
    constraints: [{type: check, expression: id > 0}]
    columns: [{name: id, quote: true, data_type: integer, constraints: [{type: not_null}], config: {tags: [pii]}, docs: {show: true}}]
sources:
  - name: raw
    database: warehouse
    loader: fivetran
    quoting: {identifier: true}
    config: {enabled: true, loaded_at_field: at, freshness: {warn_after: {count: 1, period: day}}}
    tables:
      - name: t
        loaded_at_field: "cast(at as timestamp)"
        freshness: {error_after: {count: 2, period: day}, filter: "at > '2020-01-01'"}
      - {name: u, freshness: null}
      - {name: v, config: {enabled: false}}
macros: [{name: cents, arguments: [{name: x}]}]
analyses: [{name: a}]
`,
  });
  const { graph } = project.scope();
  expect(project.model("m")).toMatchObject({
    config: { docs: { show: false }, access: "public", tags: ["daily"], meta: { owner: "x" } },
    constraints: [{ type: "check" }],
    columns: [{ quote: true, tags: ["pii"], constraints: [{ type: "not_null" }] }],
  });
  expect(sourcesOf(graph)).toMatchObject([
    {
      name: "t",
      loader: "fivetran",
      relation: { schema: "raw", name: "t" },
      loadedAtField: "cast(at as timestamp)",
      freshness: { warnAfter: { count: 1 }, errorAfter: { count: 2 }, filter: "at > '2020-01-01'" },
    },
    { name: "u", freshness: null, loadedAtField: "at" },
  ]);
  expect(project.log).toEqual([]);
});

test("what cannot run yet is listed in one warning", () => {
  const project = createProject({
    "models/m.sql": "select 1 as id",
    "models/x.yml": "semantic_models:\n  - name: orders\nmetrics:\n  - name: revenue\n    type: simple\n",
  });
  project.scope();
  expect(project.log.map(({ level, message }) => [level, message])).toEqual([
    [
      "warn",
      "these are read and do nothing yet:\n  models/x.yml:2:5  orders (semantic_models)\n  models/x.yml:4:5  revenue (metrics)",
    ],
  ]);
});

test("versions of models are refused with their place", () => {
  const [mistake] = mistakesIn({
    "models/m.sql": "select 1",
    "models/m.yml": "models:\n  - name: m\n    latest_version: 2\n    versions: [{v: 1}, {v: 2}]\n",
  });
  expect(mistake).toMatchObject({
    code: "MODEL_VERSIONS",
    message: 'model "m" has versions, which are not supported',
    where: "models/m.yml:4:5",
    hint: 'remove "versions" and "latest_version", and give each version a model file and a name of its own',
  });
});
