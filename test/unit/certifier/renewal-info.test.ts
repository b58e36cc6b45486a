import assert from "node:assert/strict";
import { it } from "node:test";
import { certificateId, parseWindow, pick, pollPause } from "../../../mailserver/certifier/renewal-info.ts";

/** The certificate of RFC 9773 appendix A. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----`;

it("a certificate has the name that RFC 9773 section 4.1 gives it", () => {
  assert.equal(certificateId(EXAMPLE), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
});

it("a window is one with an end after its start", () => {
  const window = (start: string, end: string) => JSON.stringify({ suggestedWindow: { start, end } });
  const [start, end] = ["2026-01-02T04:00:00Z", "2026-01-03T04:00:00Z"];
  assert.deepEqual(parseWindow(window(start, end)), { start: Date.parse(start), end: Date.parse(end) });
  assert.equal(parseWindow(window(end, start)), undefined);
  assert.equal(parseWindow("{}"), undefined);
  assert.equal(parseWindow("<html>"), undefined);
});

it("any moment of it may be picked", () => {
  const window = { start: 100, end: 200 };
  assert.deepEqual([pick(window, 0), pick(window, 0.5)], [100, 150]);
});

it("the authority is asked again as it says, within reason", () => {
  const cases: [number | undefined, number][] = [
    [undefined, 21_600_000],
    [3_600_000, 3_600_000],
    [0, 60_000],
    [10 * 86_400_000, 86_400_000],
  ];
  for (const [asked, wanted] of cases) assert.equal(pollPause(asked), wanted);
});
