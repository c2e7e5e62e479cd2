import type { CodeMacro } from "./macro-code.ts";
import type { Parameter } from "./signature.ts";
import type { Template } from "./template.ts";

export interface MacroBase {
  /** `macro.shop.cents_to_dollars`. */
  id: string;
  name: string;
  file: string;
  source: string;
  description: string;
  parameters: Parameter[];
}

export interface TemplateMacro extends MacroBase {
  kind: "template";
  template: Template;
}

/** SQL text that templates call by name: a Handlebars file, or a function of a TypeScript file. */
export type Macro = TemplateMacro | (MacroBase & { kind: "code"; code: CodeMacro });
export type Macros = ReadonlyMap<string, Macro>;
