/** A preview as a person thinks of it: people, records, containers, and what is lost. Pure. */
import { recordChange } from "./record-change.ts";
import type { Diagnostic, PreviewJson, Step } from "./schema.ts";

export type Verb = "added" | "removed" | "changed" | "replaced";

/** Something that the update would do. */
export interface Item {
  readonly verb: Verb;
  readonly name: string;
  /** What about it, a short word each. */
  readonly details: readonly string[];
}

/** Something that is gone after the update. */
export interface Loss {
  readonly name: string;
  /** `refused`: protected, the update fails; `kept`: the stack forgets it, the host keeps it; `lost`: for good. */
  readonly fate: "refused" | "kept" | "lost";
}

export interface Report {
  readonly people: readonly Item[];
  readonly records: readonly Item[];
  readonly containers: readonly Item[];
  /** Keys, images, volumes and networks. */
  readonly others: readonly Item[];
  readonly losses: readonly Loss[];
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** What the program says of its own steps, such as how a host moves. */
  readonly notes: readonly string[];
}

const VERBS: Readonly<Record<string, Verb>> = {
  create: "added",
  delete: "removed",
  update: "changed",
  replace: "replaced",
};
const CONTAINER = "docker:index/container:Container";
const RECORD = "pulumi-nodejs:dynamic/gandi:Record";
const ENTRY = "pulumi-nodejs:dynamic/semail:LdapEntry";
const LIMIT = "pulumi-nodejs:dynamic/semail:DiskLimit";
/** Whose end takes something that can't be made again. */
const PRECIOUS = new Set([
  "docker:index/volume:Volume",
  "pulumi-nodejs:dynamic/semail:CertificateAuthority",
  "pulumi-nodejs:dynamic/semail:KeyPair",
  "pulumi-nodejs:dynamic/semail:RandomSecret",
]);
/** Change with everything, or stand for what is told through their children. */
const SILENT = /^(pulumi:|semail:index:(?!Mailbox$))/;
/** Says of a volume that it is thrown away, whatever else becomes of it. */
const DISCARDED = "pulumi-nodejs:dynamic/semail:DiscardedVolume";
/** Containers that never run: they hold files for others. */
const HOLDER = /-files$/;
/** Volumes whose content is written anew with them. */
const REWRITTEN = /-(settings|live)$/;

const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";
const typeOf = ({ newState, oldState }: Step): string => (newState ?? oldState)?.type ?? "";
const personOf = (step: Step): string | undefined =>
  /^person-(.+?)(?:_\d+)?(?:-(?:mail|disk|box|entry))?$/.exec(nameOf(step.urn))?.[1];

/** What a preview says, sorted by what it means. */
export function report({ steps, diagnostics }: PreviewJson): Report {
  const told = steps.filter((step) => step.op in VERBS && !SILENT.test(typeOf(step)));
  const discarded = new Set(
    told.flatMap((step) =>
      typeOf(step) === DISCARDED && step.op === "create"
        ? [nameOf(step.urn).replace(/^discarded-(.+)$/, "person-$1-mail")]
        : [],
    ),
  );
  const changes = told.filter((step) => typeOf(step) !== DISCARDED);
  const people = changes.filter((step) => personOf(step) !== undefined);
  const services = changes.filter((step) => personOf(step) === undefined);
  const ofType = (test: (step: Step) => boolean) => services.filter(test);
  const isRecord = (step: Step) => typeOf(step) === RECORD;
  const isContainer = (step: Step) => typeOf(step) === CONTAINER;
  return {
    people: byPerson(people),
    records: ofType(isRecord).flatMap(recordChange),
    containers: ofType((step) => isContainer(step) && !HOLDER.test(nameOf(step.urn))).map(itemOf),
    others: ofType((step) => !isRecord(step) && !isContainer(step)).map(itemOf),
    losses: changes.flatMap((step) => lossOf(step, discarded)),
    errors: said(diagnostics, "error"),
    warnings: said(diagnostics, "warning"),
    notes: said(diagnostics, "info"),
  };
}

/** True when an update would do nothing. */
export function isEmpty({ people, records, containers, others }: Report): boolean {
  return people.length + records.length + containers.length + others.length === 0;
}

/** True when Pulumi would not begin the update. */
export function isRefused({ errors, losses }: Report): boolean {
  return errors.length > 0 || losses.some(({ fate }) => fate === "refused");
}

/** What is done to one resource. */
function itemOf(step: Step): Item {
  const reasons = step.op === "replace" ? step.replaceReasons : step.diffReasons;
  return { verb: VERBS[step.op] ?? "changed", name: nameOf(step.urn), details: [...new Set(reasons)] };
}

/** One item for all resources of a person. */
function byPerson(steps: readonly Step[]): Item[] {
  const groups = Map.groupBy(steps, (step) => personOf(step) ?? "");
  return [...groups].map(([uid, own]) => {
    const entry = own.find((step) => typeOf(step) === ENTRY);
    const verb = entry?.op === "create" ? "added" : entry?.op === "delete" ? "removed" : "changed";
    return { verb, name: uid, details: verb === "changed" ? own.flatMap(personDetails) : addresses(entry) };
  });
}

function addresses(entry: Step | undefined): string[] {
  const inputs = (entry?.newState ?? entry?.oldState)?.inputs;
  return [...(inputs?.attributes?.mailLocalAddress ?? [])];
}

function personDetails(step: Step): string[] {
  if (typeOf(step) === ENTRY) return entryDetails(step);
  const part = partOf(step);
  const { verb, details } = itemOf(step);
  const why = details.length > 0 ? `: ${details.join(", ")}` : "";
  return part === undefined ? [] : [`${part} ${verb}${why}`];
}

function partOf(step: Step): string | undefined {
  if (typeOf(step) === CONTAINER) return "box";
  if (typeOf(step) === LIMIT) return "limit of the disk";
  return nameOf(step.urn).endsWith("-mail") ? "mail volume" : undefined;
}

function entryDetails({ oldState, newState }: Step): string[] {
  const before = oldState?.inputs.attributes ?? {};
  const after = newState?.inputs.attributes ?? {};
  const old = before.mailLocalAddress ?? [];
  const now = after.mailLocalAddress ?? [];
  const differs = (key: "cn" | "mailRoutingAddress") => `${before[key]}` !== `${after[key]}`;
  const found = [
    ...now.filter((address) => !old.includes(address)).map((address) => `+${address}`),
    ...old.filter((address) => !now.includes(address)).map((address) => `-${address}`),
    ...(differs("cn") ? ["name"] : []),
    // Where a person's mail goes besides is theirs to tell.
    ...(differs("mailRoutingAddress") ? ["forward address"] : []),
  ];
  return found.length > 0 ? found : ["entry changed"];
}

/** What of the data is lost with a step. */
function lossOf(step: Step, discarded: ReadonlySet<string>): Loss[] {
  const state = step.oldState;
  if (state === undefined || !(step.op === "delete" || step.op === "replace")) return [];
  const name = nameOf(step.urn);
  if (!PRECIOUS.has(state.type) || REWRITTEN.test(name)) return [];
  const kept = state.retainOnDelete && !discarded.has(name);
  return [{ name, fate: state.protect ? "refused" : kept ? "kept" : "lost" }];
}

/** Messages of one severity; Pulumi's own last word and what the losses say already are left out. */
function said(diagnostics: readonly Diagnostic[], severity: string): string[] {
  const messages = diagnostics
    .filter((diagnostic) => diagnostic.severity === severity)
    .map(({ message }) => message.replace(/^(error|warning|info): /, "").trimEnd())
    .filter((message) => message !== "preview failed" && !message.includes("because it is protected"));
  return [...new Set(messages)];
}
