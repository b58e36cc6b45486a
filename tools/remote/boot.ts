/** Whether a host comes back by itself after a restart. Pure. */
import type { Trouble } from "./ssh-faults.ts";
import type { HostFacts } from "./survey.ts";

/** One thing that has to be true of a host that restarts. */
export interface BootCheck {
  /** What is looked at. */
  readonly about: string;
  /** The unit of systemd that it is about. */
  readonly unit: string;
  readonly trouble?: Trouble;
  /** Why it can't be told. */
  readonly unknown?: string;
}

type Facts = Pick<HostFacts, "systemd" | "boot" | "rules" | "firewall">;

const ENGINE = "docker.service";
const FIREWALL = "semail-firewall.service";

/** States of a unit that systemd doesn't start by itself (systemctl(1), is-enabled). */
const OFF = new Set(["disabled", "masked", "masked-runtime", "enabled-runtime"]);

/** Every check of a host that has systemd; none of another, whose way to start is its owner's. */
export function checkBoot(facts: Facts, { firewall }: { readonly firewall: boolean }): BootCheck[] {
  if (!facts.systemd) return [];
  return [engine(facts), ...(firewall && facts.rules ? [rules(facts)] : [])];
}

function engine({ boot }: Facts): BootCheck {
  const check = { about: "the Docker engine starts with the host", unit: ENGINE };
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

function rules({ firewall }: Facts): BootCheck {
  const check = { about: "the firewall is set when the host starts", unit: FIREWALL };
  if (firewall === "enabled") return check;
  return {
    ...check,
    trouble: {
      cause: `The firewall is gone after a restart of the host: ${FIREWALL} is ${firewall || "not there"}.`,
      remedy: "`npm run up -- --refresh` sets it up.",
    },
  };
}
