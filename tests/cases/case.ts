import { createRandom, type Random } from "../../moovitamix/world/random.ts";
import { type Projects, temporaryProjects } from "./folders.ts";

export type Size = "quick" | "full";

/** One number that a case measured, and what it has to be. A figure without a bound is told and not judged. */
export interface Figure {
  name: string;
  value: number;
  exactly?: number;
  atMost?: number;
}

/** What a case found. */
export interface Report {
  figures: Figure[];
  /** One line for each thing that is not as it should be: enough to repeat it. */
  failures: string[];
  /** Parts of the case that cannot be run yet, and why. */
  notRun?: string[];
}

/** What a case works with. */
export interface Ground {
  size: Size;
  /** The only source of chance. */
  random: Random;
  projects: Projects;
}

export interface Case {
  id: string;
  run(ground: Ground): Promise<Report>;
}

export interface Verdict extends Report {
  id: string;
  isPassed: boolean;
  /** `CASE M-01 kills=200 torn=0 seed=1 seconds=60 PASS`. */
  line: string;
}

/** Runs a case: every choice by chance comes from `seed`. */
export async function runCase(one: Case, size: Size, seed: number): Promise<Verdict> {
  const startedAt = performance.now();
  const projects = temporaryProjects();
  try {
    const report = await one.run({ size, random: createRandom(String(seed)), projects });
    const broken = report.figures.filter((figure) => !isWithin(figure)).map(({ name }) => name);
    const isPassed = broken.length === 0 && report.failures.length === 0;
    const figures = report.figures.map(({ name, value }) => `${name}=${value}`).join(" ");
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    const state = isPassed ? "PASS" : `FAIL ${broken.join(" ")}`;
    const open = report.notRun?.length ? ` NOT RUN: ${report.notRun.join("; ")}` : "";
    const line = `CASE ${one.id} ${figures} seed=${seed} seconds=${seconds} ${state}${open}`;
    return { ...report, id: one.id, isPassed, line };
  } finally {
    projects.removeAll();
  }
}

function isWithin({ value, exactly, atMost }: Figure): boolean {
  return (exactly === undefined || value === exactly) && (atMost === undefined || value <= atMost);
}

/** What has to be none. */
export function none(name: string, value: number): Figure {
  return { name, value, exactly: 0 };
}

/** What has to be all of them. */
export function all(name: string, value: number, count: number): Figure {
  return { name, value, exactly: count };
}
