/** What is run on the host, as root. Each may run again after it was broken off. */
import { LOGIN_MS } from "../../../tools/remote/connection.ts";
import { headOf } from "./diff.ts";

const FILE = "/etc/semail/firewall.nft";
const UNIT = "/etc/systemd/system/semail-firewall.service";
/** One for each try, with its name, for as long as nobody has logged in through its rules. */
const TRIAL = "/run/semail-firewall.trial";
/** Seconds after which rules that nobody got through give way to those before: a slow login has its time twice. */
const TRIAL_SECONDS = (2 * LOGIN_MS) / 1_000;

/** Debian's nftables.service begins with `flush ruleset`, when it starts, restarts and reloads: ours are set after it. */
const SERVICE = `[Unit]
Description=Firewall of the mail system
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
DefaultDependencies=no
After=local-fs.target nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f ${FILE}
ExecReload=/usr/sbin/nft -f ${FILE}
ExecStop=/usr/sbin/nft delete table inet semail

[Install]
WantedBy=sysinit.target
`;

const HEAD = `set -eu
PATH="$PATH:/usr/sbin:/sbin"
`;

export interface Try {
  readonly stack: string;
  readonly rules: string;
  /** Names this try, so that neither the end of an earlier one nor its proof is taken for this one's. */
  readonly id: string;
  readonly trialSeconds?: number;
}

/**
 * Puts the rules in force. Unless {@link prove} runs in time they give way by themselves to those that were kept before,
 * or to none: whoever can't log in any more could do nothing about it. What comes at boot stays as it is until then.
 */
export function apply({ stack, rules, id, trialSeconds = TRIAL_SECONDS }: Try): string {
  return `${HEAD}
if test -e ${FILE} && ! head -n 1 ${FILE} | grep -qF '${headOf(stack)}'; then
  echo "this host has the firewall of another stack: $(head -n 1 ${FILE})" >&2
  exit 3
fi
mkdir -p /etc/semail
cat >${FILE}.new <<'RULES'
${rules}RULES
nft -c -f ${FILE}.new
rm -f ${TRIAL}.*
: >${TRIAL}.${id}
nohup sh -c 'sleep ${trialSeconds}; ${giveWay(id)}' >/dev/null 2>&1 </dev/null &
nft -f ${FILE}.new
`;
}

/** That `rm` finds the mark decides between this and {@link prove}: to one of the two alone it is there. */
const giveWay = (id: string): string =>
  `rm ${TRIAL}.${id} || exit 0; nft -f ${FILE} || nft delete table inet semail`;

/** Keeps the rules of a try, also over a reboot; fails when its time was over before. */
export function prove(id: string): string {
  return `${HEAD}
if ! rm ${TRIAL}.${id} 2>/dev/null; then
  echo "the new rules gave way to those before, as when the host was restarted meanwhile; try again" >&2
  exit 4
fi
mv ${FILE}.new ${FILE}
# The end of an earlier try may have come between; and to start a unit that is active does nothing.
nft -f ${FILE}
test -d /run/systemd/system || exit 0
cat >${UNIT} <<'SERVICE'
${SERVICE}SERVICE
systemctl daemon-reload
systemctl enable -q --now semail-firewall.service
`;
}

/** Prints the rules that are in force, and are so after each boot; nothing when there are none. */
export const SHOW = `${HEAD}
nft list table inet semail >/dev/null 2>&1 || exit 0
test -e ${FILE} || exit 0
if test -d /run/systemd/system; then
  systemctl is-enabled -q semail-firewall.service 2>/dev/null || exit 0
  cat <<'SERVICE' | cmp -s - ${UNIT} || exit 0
${SERVICE}SERVICE
fi
cat ${FILE}
`;

/** Takes everything away. */
export function remove(stack: string): string {
  return `${HEAD}
if test -e ${FILE} && ! head -n 1 ${FILE} | grep -qF '${headOf(stack)}'; then exit 0; fi
if test -e ${UNIT}; then
  systemctl disable -q --now semail-firewall.service || :
  rm -f ${UNIT}
  systemctl daemon-reload || :
fi
nft delete table inet semail 2>/dev/null || :
rm -f ${FILE} ${FILE}.new ${TRIAL}.*
rmdir /etc/semail 2>/dev/null || :
`;
}
