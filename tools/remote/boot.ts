/** Whether a host comes back by itself after a restart. Pure. */
import type { Trouble } from "./ssh-faults.ts";
import type { HostFacts } from "./survey.ts";

/** One thing that has to be true of a host. */
export interface HostCheck {
  /** What is looked at. */
  readonly about: string;
  /** Where it is told why. */
  readonly rule: string;
  /** The unit of systemd, or the kernel's setting, that it is about. */
  readonly record: string;
  readonly trouble?: Trouble;
  /** Why it can't be told. */
  readonly unknown?: string;
}

type Facts = Pick<HostFacts, "systemd" | "boot" | "rules" | "firewall">;

const RULE = "after a reboot, docs/operations.md";
const ENGINE = "docker.service";
const FIREWALL = "semail-firewall.service";

/** States of a unit that systemd doesn't start by itself (systemctl(1), is-enabled). */
const OFF = new Set(["disabled", "masked", "masked-runtime", "enabled-runtime"]);

/** Every check of a host that has systemd; none of another, whose way to start is its owner's. */
export function checkBoot(facts: Facts, { firewall }: { readonly firewall: boolean }): HostCheck[] {
  if (!facts.systemd) return [];
  return [engine(facts), ...(firewall && facts.rules ? [rules(facts)] : [])];
}

function engine({ boot }: Facts): HostCheck {
  const check = { about: "the Docker engine starts with the host", rule: RULE, record: ENGINE };
  if (boot === "enabled") return check;
  if (!OFF.has(boot))
    return {
      ...check,
      unknown: `systemd says \`${boot || "nothing"}\` of ${ENGINE}: is it another's engine?`,
    };
  const unmask = boot.startsWith("masked") ? "systemctl unmask docker && " : "";
  return {
    ...check,
    trouble: {
      cause: `The Docker engine does not start with the host (${ENGINE} is ${boot}): after a restart there is no mail.`,
      // A socket that waits for the first caller has no containers until one comes.
      remedy: `Have it start there: \`${unmask}systemctl enable docker\`; docker.socket alone is not enough.`,
    },
  };
}

function rules({ firewall }: Facts): HostCheck {
  const check = { about: "the firewall is set when the host starts", rule: RULE, record: FIREWALL };
  if (firewall === "enabled") return check;
  return {
    ...check,
    trouble: {
      cause: `The firewall is gone after a restart of the host: ${FIREWALL} is ${firewall || "not there"}.`,
      remedy: "`npm run up -- --refresh` sets it up.",
    },
  };
}
