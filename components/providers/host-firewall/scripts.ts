/** What is run on the host, as root. Each may run again after it was broken off. */
import { headOf } from "./diff.ts";

const FILE = "/etc/semail/firewall.nft";
const UNIT = "/etc/systemd/system/semail-firewall.service";
/** There once somebody has logged in through the new rules. */
const PROVEN = "/run/semail-firewall.proven";
/** Seconds after which rules that nobody got through are taken away again. */
const TRIAL_SECONDS = 45;

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

/**
 * Puts the rules in force. They are taken away again by themselves unless {@link PROVE} runs in time: whoever can't log
 * in any more could do nothing about it.
 */
export function apply(stack: string, rules: string, trialSeconds = TRIAL_SECONDS): string {
  return `${HEAD}
if test -e ${FILE} && ! head -n 1 ${FILE} | grep -qF '${headOf(stack)}'; then
  echo "this host has the firewall of another stack: $(head -n 1 ${FILE})" >&2
  exit 3
fi
mkdir -p /etc/semail
cat >${FILE}.new <<'RULES'
${rules}RULES
nft -c -f ${FILE}.new
mv ${FILE}.new ${FILE}
rm -f ${PROVEN}
nft -f ${FILE}
nohup sh -c 'sleep ${trialSeconds}; test -e ${PROVEN} || nft delete table inet semail' >/dev/null 2>&1 </dev/null &
`;
}

/** Keeps the rules, also over a reboot. */
export const PROVE = `${HEAD}
: >${PROVEN}
test -d /run/systemd/system || exit 0
cat >${UNIT} <<'SERVICE'
${SERVICE}SERVICE
systemctl daemon-reload
systemctl enable -q --now semail-firewall.service
`;

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
rm -f ${FILE} ${FILE}.new ${PROVEN}
rmdir /etc/semail 2>/dev/null || :
`;
}
