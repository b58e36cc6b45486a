/** What is wrong with one server's answer about one record set. Pure. */
import { isIP } from "node:net";
import { canonical, sameValues } from "@pulumi/gandi/rdata.ts";
import { type Fault, textFault } from "./texts.ts";
import { type Answer, type Expectation, fullName, type Wanted } from "./types.ts";

/** The rule that says what a record of that type is for. */
const RULES: Readonly<Record<string, string>> = {
  A: "address of the host, RFC 5321 section 5.1",
  AAAA: "address of the host, RFC 5321 section 5.1",
  CAA: "who may issue certificates, RFC 8659 section 4.2",
  MX: "who takes the domain's mail, RFC 5321 section 5.1",
  SRV: "where mail programs find us, RFC 6186 section 3",
  TLSA: "certificate of the MX host, RFC 7672 section 3",
};

/** Undefined when the answer is what the stack wants. */
export function recordFault(
  wanted: Wanted,
  answer: Answer,
  { mx }: Pick<Expectation, "mx">,
): Fault | undefined {
  const { type, zone } = wanted;
  const { values = [], alias } = answer;
  const rule = RULES[type] ?? "the record that the stack wants";
  if (alias !== undefined && fullName(wanted) === mx) {
    return {
      rule: "MX names a host, RFC 2181 section 10.3",
      message: `the MX host is a CNAME, to ${alias}`,
      remedy: `Remove the CNAME, and give ${mx} its address: ${wanted.values.join(", ")}.`,
    };
  }
  if (answer.doubled) {
    return {
      rule,
      message: `was entered as ${fullName(wanted)}.${zone}`,
      remedy: `Enter ${wanted.name} as its name: the provider appends ${zone} itself.`,
    };
  }
  if (type === "TXT") return textFault(values, wanted.values);
  if (values.length === 0) return { rule, message: alias ? `is a CNAME to ${alias}` : "is missing" };
  if (sameValues(values, wanted.values, type, zone)) return undefined;
  if (type === "MX") return { rule, ...mxFault(values, wanted) };
  const extra = beyond(values, wanted);
  if (extra.length < values.length && wanted.values.length + extra.length === values.length) {
    return { rule, message: `it also says ${extra.join(", ")}`, remedy: `Remove ${extra.join(", ")}.` };
  }
  return { rule, message: `it says ${values.join(", ")} where the stack has ${wanted.values.join(", ")}` };
}

/** Values that are not among those wanted. */
function beyond(values: readonly string[], { values: wanted, type, zone }: Wanted): string[] {
  const own = new Set(wanted.map((value) => canonical(value, type, zone)));
  return values.filter((value) => !own.has(canonical(value, type, zone)));
}

function mxFault(values: readonly string[], wanted: Wanted): Omit<Fault, "rule"> {
  const others = beyond(values, wanted);
  const hosts = others.map((value) => (value.split(" ")[1] ?? "").replace(/\.$/, ""));
  // RFC 7505 section 3
  if (hosts.includes("")) {
    return {
      message: "it says that the domain takes no mail at all (null MX)",
      remedy: "Remove the MX record `0 .`.",
    };
  }
  const address = hosts.find((host) => isIP(host) !== 0);
  if (address !== undefined) {
    return {
      message: `it names the address ${address}, where a host name belongs`,
      remedy: `Name ${wanted.values.join(", ")} instead.`,
    };
  }
  if (others.length < values.length) {
    return {
      message: `it also names ${hosts.join(", ")}, where mail goes past us`,
      remedy: `Remove ${others.join(", ")}, unless it is a backup that knows our people.`,
    };
  }
  return { message: `mail goes to ${hosts.join(", ")}, not to ${wanted.values.join(", ")}` };
}
