import assert from "node:assert/strict";
import { test } from "node:test";
import { progressFilter } from "../../../tools/bootstrap/progress.ts";
import { explainFailure } from "../../../tools/bootstrap/pulumi.ts";

/** The line, and whether it is shown. */
const display: [line: string, shown: boolean][] = [
  ["Updating (dev):", true],
  ["", true],
  ["", false],
  [" +  docker:index:Image box creating (0s) ", true],
  [" +  docker:index:Image box creating (0s) Step 1/9 : FROM debian", false],
  [" +  docker:index:Image box creating (4s) Step 2/9 : RUN apt-get", false],
  ["@ updating....", false],
  [
    "The resources in the stack have been deleted, but the history and configuration are still maintained. ",
    false,
  ],
  ["If you want to remove the stack completely, run `pulumi stack rm dev`.", false],
  [" +  docker:index:Network front creating (0s) ", true],
  [" +  docker:index:Image box creating (11s) Step 3/9", true],
  [" +  docker:index:Image box creating (13s) Step 4/9", false],
  [" +  docker:index:Image box created (14s) ", true],
  [" +  docker:index:Network front **creating failed** error: port is already allocated", true],
  [" ~  semail:index:LdapEntry alice updating (0s) [diff: ~mail]", true],
  [" ~  semail:index:LdapEntry alice updated (0.02s) [diff: ~mail]", true],
  ["\u001b[38;5;2m + \u001b[0m docker:index:Volume v creating (0s)", true],
  ["\u001b[38;5;2m + \u001b[0m docker:index:Volume v creating (2s) again", false],
  ["    error: alice@x: outside the domain", true],
];

test("of the display remain starts, ends, signs of life and everything else", () => {
  const keep = progressFilter();
  const shown = display.map(([line]) => keep(line));
  assert.deepEqual(
    display.filter((_, index) => shown[index]),
    display.filter(([, wanted]) => wanted),
  );
});

const failures: [name: string, output: string, cause: RegExp, remedy: RegExp][] = [
  [
    "a locked stack",
    "error: the stack is currently locked by 1 lock(s). Either wait ...\n  file:///x: created by root@h (pid 9) at 2026",
    /created by root@h \(pid 9\)/,
    /--unlock/,
  ],
  [
    "a wrong passphrase",
    "error: incorrect passphrase",
    /passphrase does not fit/,
    /PULUMI_CONFIG_PASSPHRASE/,
  ],
  [
    "a port that Docker gave away",
    "driver failed programming external connectivity: Bind for 127.0.0.1:2525 failed: port is already allocated",
    /port .* taken: 127\.0\.0\.1:2525\./,
    /`ports`/,
  ],
  [
    "a port that another program has",
    "Error starting userland proxy: listen tcp4 127.0.0.1:2525: bind: address already in use",
    /taken: 127\.0\.0\.1:2525\./,
    /Stop what listens there/,
  ],
  [
    "a port, in our provider's words",
    "error: port 127.0.0.1:25 is taken on the Docker host.",
    /taken: 127\.0\.0\.1:25\./,
    /`ports`/,
  ],
  [
    "a token that LiveDNS refuses",
    "error: record example.org/@/MX: LiveDNS refused the token: set auth.token or GANDI_PERSONAL_ACCESS_TOKEN to a valid",
    /LiveDNS refused the token\.$/,
    /`npm run secret -- gandiToken --stack NAME`/,
  ],
  [
    "a LiveDNS that can't be reached",
    "error: MX record @ of example.org: GET …: ECONNREFUSED. Check auth.apiUrl and the network",
    /LiveDNS can't be reached\.$/,
    /`semail:dns\.apiUrl`/,
  ],
  ["a full disk", "write /var/lib/x: no space left on device", /disk is full/, /Make room/],
  ["an engine that went away", "connect ENOENT /var/run/docker.sock", /went away/, /Start it/],
  ["anything else", "error: alice is no uid", /pulumi up failed/, /run it again/],
];
for (const [name, output, cause, remedy] of failures) {
  test(`pulumi's failure is explained: ${name}`, () => {
    const fault = explainFailure("pulumi up", output, "Correct it and run it again.");
    assert.match(fault.message, cause);
    assert.match(fault.remedy, remedy);
  });
}
