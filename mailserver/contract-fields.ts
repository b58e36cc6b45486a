/** What the settings of several daemons have in common. */
import { z } from "zod";

export const port = z.int().min(1).max(65535);
export const hostname = z
  .string()
  .regex(/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/);
export const pem = z.string().startsWith("-----BEGIN ");

/** Files with certificate chain and private key in PEM; a daemon reads them again when they change. */
export const TlsSettings = z.strictObject({
  certificateFile: z.string().min(1).default("/settings/tls.crt"),
  keyFile: z.string().min(1).default("/settings/tls.key"),
});
export type TlsSettings = z.infer<typeof TlsSettings>;

export const healthAddress = {
  /** Port of `/healthz` and `/metrics` on loopback. */
  healthPort: port.default(8080),
  /** Another address of the machine at which they are served, for Prometheus. */
  metricsAddress: z.union([z.ipv4(), z.ipv6()]).optional(),
};
