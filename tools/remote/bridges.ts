/** Whether the rules that keep the boxes apart are in force on a host. Pure. */
import type { HostCheck } from "./boot.ts";
import type { HostFacts } from "./survey.ts";

const SWITCH = "net.bridge.bridge-nf-call-iptables";

/** Boxes are on one bridge: what they send each other meets the engine's rules by this setting alone. */
export function checkBridges({ bridges }: Pick<HostFacts, "bridges">): HostCheck {
  const check = { about: "rules keep the boxes apart", rule: "boxes, docs/architecture.md", record: SWITCH };
  if (bridges === "1") return check;
  if (bridges === "") return { ...check, unknown: `there is no ${SWITCH}: is the engine another machine's?` };
  return {
    ...check,
    trouble: {
      cause:
        "Bridges pass the firewall by: boxes reach each other where guard doesn't run, or the kernel has no rules for bridges.",
      remedy: `\`sysctl -w ${SWITCH}=1\` there as root, and have what set it to 0 set it to 1: \`grep -r bridge-nf /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d /etc/udev\`.`,
    },
  };
}
