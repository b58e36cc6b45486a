/** Scripts that change a host; each may run again after it was broken off. Run as root. */

/** Installs Debian packages. */
export function installPackages(packages: readonly string[]): string {
  return `
set -e
export DEBIAN_FRONTEND=noninteractive
dpkg --configure -a
apt-get update -q
apt-get install -y -q --no-install-recommends ${packages.join(" ")}
`;
}

const WAIT = `
n=0
until test -S /var/run/docker.sock; do
  n=$((n + 1)); test "$n" -le 60 || { tail -n 5 /var/log/docker.log 2>/dev/null; exit 1; }
  sleep 1
done
`;

/** Starts the engine, now and after each boot; waits for its socket. */
export const START_ENGINE = `
set -e
if test -d /run/systemd/system; then systemctl enable --now docker; else service docker start; fi
${WAIT}`;

/** Has the engine start at each boot; a socket that starts it waits for somebody to call. */
export const START_AT_BOOT = "systemctl unmask -q docker && systemctl enable -q docker";

/** The engine's settings, where there are none yet. */
export const SET_IP6TABLES = `
set -e
mkdir -p /etc/docker
test -e /etc/docker/daemon.json || printf '{"experimental": true, "ip6tables": true}\\n' >/etc/docker/daemon.json
if test -d /run/systemd/system; then systemctl restart docker
else service docker stop; service docker start; fi
${WAIT}`;
