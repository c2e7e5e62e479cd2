import { OpenAPIHono } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { EXIT, projectErrorsOf } from "../core/errors.ts";
import { nearestNames } from "../core/nearest.ts";
import { guard } from "./access.ts";
import { invalid } from "./api/answers.ts";
import { addJobs } from "./api/jobs.ts";
import { addMetrics } from "./api/metrics.ts";
import { addModels } from "./api/models.ts";
import { addMonitor } from "./api/monitor.ts";
import { addRuns } from "./api/runs.ts";
import { addService } from "./api/service.ts";
import { noBody } from "./body.ts";
import type { Served } from "./served.ts";

/** The routes. Every one of them is in /api/openapi.json. */
export function createApp(served: Served): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const { body, status } = invalid(result.error);
      return context.json(body, status);
    },
  });
  app.use("*", guard(served.access));
  app.post("*", noBody);
  addService(app, served);
  addJobs(app, served);
  addRuns(app, served);
  addMonitor(app, served.state);
  addMetrics(app, served);
  addModels(app, served);
  addDocument(app, served);
  addRefusals(app, served);
  return app;
}

function addDocument(app: OpenAPIHono, { version, access }: Served): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  const needsToken = access.token !== undefined || access.readToken !== undefined;
  app.doc31("/api/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Sillon",
      version,
      description: "Jobs, what became of them, and what they measured. Times are UTC, in ISO 8601.",
    },
    security: needsToken ? [{ token: [] }] : [],
  });
}

function addRefusals(app: OpenAPIHono, { onFault }: Served): void {
  app.notFound((context) => {
    const { path, method } = context.req;
    const allowed = methodsOf(app, path);
    if (allowed.length > 0 && !allowed.includes(method)) {
      const message = `${path.slice(0, 100)} takes ${allowed.join(" and ")}, not ${method}`;
      context.header("Allow", allowed.join(", "));
      return context.json({ error: { code: "METHOD_UNKNOWN", message, hint: "see /api/openapi.json" } }, 405);
    }
    const paths = app.routes.map((route) => route.path).filter((known) => !/[*:]/.test(known));
    const nearest = nearestNames(path.slice(0, 100), paths);
    const message = `no route ${path.slice(0, 100)}`;
    return context.json(
      { error: { code: "ROUTE_UNKNOWN", message, nearest, hint: "see /api/openapi.json" } },
      404,
    );
  });
  app.onError((error, context) => {
    if (error instanceof HTTPException) return error.getResponse();
    onFault(error);
    const [known] = projectErrorsOf(error);
    if (known?.exitCode === EXIT.environment || known?.exitCode === EXIT.locked) {
      const { code, message, hint = "see the log of run up" } = known;
      return context.json({ error: { code, message, hint } }, 503);
    }
    const message = "the server could not answer";
    return context.json({ error: { code: "INTERNAL", message, hint: "see the log of run up" } }, 500);
  });
}

/** The methods that a path answers to; none when there is no such route. */
function methodsOf(app: OpenAPIHono, path: string): string[] {
  const found = app.routes
    .filter(({ method, path: known }) => method !== "ALL" && !known.includes("*") && matches(known, path))
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
  return [...new Set(found)];
}

function matches(known: string, path: string): boolean {
  const [parts, given] = [known.split("/"), path.split("/")];
  return (
    parts.length === given.length &&
    parts.every((part, index) => (part.startsWith(":") ? given[index] !== "" : part === given[index]))
  );
}
